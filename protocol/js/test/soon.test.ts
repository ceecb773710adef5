// Whoever waits for a change is told, whatever becomes of the page.

import assert from "node:assert/strict";
import { test } from "node:test";
import { soon } from "../src/soon.js";

test("a page that is hidden after a frame was asked for, or never drawn, is told all the same", async (t) => {
  const frames = new Map<number, () => void>();
  Object.assign(globalThis, {
    document: { hidden: false },
    requestAnimationFrame: (callback: () => void) => frames.set(frames.size + 1, callback).size,
    cancelAnimationFrame: (frame: number) => frames.delete(frame),
  });
  t.after(() => {
    for (const name of ["document", "requestAnimationFrame", "cancelAnimationFrame"])
      Reflect.deleteProperty(globalThis, name);
  });
  let told = 0;
  await new Promise<void>((resolve, reject) => {
    const late = setTimeout(() => reject(new Error("nobody was told")), 5_000);
    soon(() => {
      told += 1;
      clearTimeout(late);
      resolve();
    });
  });
  assert.equal(frames.size, 0, "the frame is called off");
  soon(() => void (told += 1));
  for (const frame of frames.values()) frame();
  await new Promise((resolve) => setTimeout(resolve, 400));
  assert.equal(told, 2, "the timer is called off");
});
