/**
 * How the console becomes one file: `dist/index.html`, with one `<style>` and one `<script type="module">` in it.
 *
 * The bundle is committed, so it has to be the same to the byte wherever it is built from the same lock file: no time,
 * no path and no random name may enter it. While one works on it, `npm run dev` serves it with the API of a server at
 * CALLBOARD_URL (default http://127.0.0.1:8765).
 */
import react from "@vitejs/plugin-react";
import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";
import { viteSingleFile } from "vite-plugin-singlefile";

const server = process.env.CALLBOARD_URL ?? "http://127.0.0.1:8765";
const client = (entry: string) => fileURLToPath(new URL(`../../protocol/js/src/${entry}.ts`, import.meta.url));

export default defineConfig({
  plugins: [react(), viteSingleFile({ removeViteModuleLoader: true })],
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
