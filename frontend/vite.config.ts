// How the pages' assets are built: one entry for all pages and one for the desk's, hashed names, a manifest that parley/web/assets.py reads,
// and one SVG file with the icons that the templates use.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { defineConfig, type Plugin } from "vite";

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

// Joins the icons named in icons.json into one sprite. The server writes it into each page once, so that an
// icon costs a page one <use> and the browser no request.
function iconSprite(): Plugin {
  return {
    name: "parley-icon-sprite",
    generateBundle() {
      const names: string[] = JSON.parse(readFileSync(here("icons.json"), "utf8"));
      const symbols = [...new Set(names)].map((name) => {
        const svg = readFileSync(here(`node_modules/lucide-static/icons/${name}.svg`), "utf8");
        const body = svg.slice(svg.indexOf(">", svg.indexOf("<svg")) + 1, svg.lastIndexOf("</svg>"));
        return `<symbol id="i-${name}" viewBox="0 0 24 24">${body.replace(/\s+/g, " ").trim()}</symbol>`;
      });
      this.emitFile({ type: "asset", fileName: "icons.svg", source: symbols.join("\n") });
      const licence = readFileSync(here("node_modules/lucide-static/LICENSE"), "utf8");
      this.emitFile({ type: "asset", fileName: "icons-licence.txt", source: licence });
    },
  };
}

export default defineConfig({
  base: "/static/build/",
  publicDir: false,
  plugins: [iconSprite()],
  build: {
    outDir: here("../src/parley/web/static/build"),
    emptyOutDir: true,
    manifest: "manifest.json",
    license: { fileName: "licences.md" },
    target: "es2022",
    modulePreload: { polyfill: false },
    // A data: address would need a hole in the Content-Security-Policy.
    assetsInlineLimit: 0,
    rollupOptions: { input: { main: here("src/main.ts"), desk: here("src/desk.ts") } },
  },
});
