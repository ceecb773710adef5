/** A button that copies a text, and says that it did. */
import { useEffect, useState } from "react";
import { texts, useText } from "../i18n";

const copyText = texts(
  { copied: "Copied", failed: "This browser does not let the page copy" },
  { copied: "已复制", failed: "浏览器不允许此页面复制" },
);

/** How long the button says what came of it. */
const SAID_MS = 2000;

/** The button. `text` is asked for when it is pressed. */
export function CopyButton({ text, label, className = "button" }: { text: () => string; label: string; className?: string }) {
  const t = useText(copyText);
  const [said, setSaid] = useState<"copied" | "failed" | null>(null);
  useEffect(() => {
    if (said === null) return;
    const timer = setTimeout(() => setSaid(null), SAID_MS);
    return () => clearTimeout(timer);
  }, [said]);
  return (
    <button
      type="button"
      className={className}
      onClick={() => void copy(text()).then((done) => setSaid(done ? "copied" : "failed"))}
    >
      <span aria-live="polite">{said === null ? label : t[said]}</span>
    </button>
  );
}

/**
 * Puts a text on the clipboard.
 *
 * A page that came over plain HTTP from another machine has no `navigator.clipboard`; there the old way is taken.
 *
 * @returns whether it is there.
 */
async function copy(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = document.createElement("textarea");
    const focused = document.activeElement;
    area.value = text;
    area.className = "visually-hidden";
    document.body.append(area);
    area.select();
    try {
      return document.execCommand("copy");
    } catch {
      return false;
    } finally {
      area.remove();
      if (focused instanceof HTMLElement) focused.focus();
    }
  }
}
