/**
 * How the console becomes one file: `dist/index.html`, with one `<style>` and one `<script type="module">` in it.
 *
 * The bundle is committed, so it has to be the same to the byte wherever it is built from the same lock file: no time,
 * no path and no random name may enter it. While one works on it, `npm run dev` serves it with the API of a server at
 * CALLBOARD_URL (default http://127.0.0.1:8765).
 */
import react from "@vitejs/plugin-react";
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { defineConfig, type Plugin } from "vite";
import { viteSingleFile } from "vite-plugin-singlefile";

const server = process.env.CALLBOARD_URL ?? "http://127.0.0.1:8765";
const client = (entry: string) =>
  fileURLToPath(new URL(`../../protocol/js/src/${entry}.ts`, import.meta.url));

/** Puts the licences of the packages that are in the bundle at its end, as they all ask for. */
function notices(): Plugin {
  const inside = /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/;
  return {
    name: "callboard:notices",
    enforce: "post",
    generateBundle(_, bundle) {
      const folders = new Set<string>();
      for (const id of this.getModuleIds()) {
        const folder = inside.exec(id.replace(/\0/g, ""))?.[0];
        if (folder !== undefined) folders.add(folder);
      }
      const texts = [...folders].map(noticeOf).sort();
      const page = bundle["index.html"];
      if (page?.type !== "asset") this.error("there is no index.html to put the notices into");
      // Two hyphens would end a comment in the eyes of some readers.
      page.source = `${String(page.source).trimEnd()}\n<!--\n${texts.join("\n").replace(/--+/g, "- -")}-->\n`;
    },
  };
}

function noticeOf(folder: string): string {
  const { name, version, license } = JSON.parse(readFileSync(`${folder}/package.json`, "utf8")) as Record<
    string,
    string
  >;
  const file = readdirSync(folder).find((each) => /^licen[cs]e(\.(md|txt))?$/i.test(each));
  if (file === undefined) return `${name} ${version}: ${license}\n`;
  return `${name} ${version}\n\n${readFileSync(`${folder}/${file}`, "utf8").trim()}\n`;
}

export default defineConfig({
  plugins: [react(), viteSingleFile({ removeViteModuleLoader: true }), notices()],
  resolve: {
    alias: [
      { find: /^callboard$/, replacement: client("index") },
      { find: /^callboard\/react$/, replacement: client("react") },
    ],
    // The client's hooks have to meet the page's React, not one of their own.
    dedupe: ["react", "react-dom"],
  },
  build: {
    target: "es2022",
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    chunkSizeWarningLimit: 2000,
  },
  server: {
    proxy: {
      "/api": server,
      "/health": server,
      "/ws": { target: server, ws: true },
    },
  },
});
