// How the pages are bundled. `build/main.rs` calls this with its own output folder.
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { brotliCompress, constants, gzip } from "node:zlib";
import { defineConfig, type Plugin } from "vite";

// Writes `.gz` and `.br` beside each text file: the server compresses nothing at run time, and can
// afford the slowest setting here.
function precompress(): Plugin {
  return {
    name: "precompress",
    apply: "build",
    async writeBundle(options, bundle) {
      const folder = options.dir ?? ".";
      const texts = Object.keys(bundle).filter((name) => /\.(html|js|css|svg)$/.test(name));
      await Promise.all(texts.map((name) => compressBeside(join(folder, name))));
    },
  };
}

async function compressBeside(file: string): Promise<void> {
  const bytes = await readFile(file);
  const zipped = await promisify(gzip)(bytes, { level: 9 });
  const brotli = await promisify(brotliCompress)(bytes, {
    params: { [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY },
  });
  await Promise.all([writeFile(`${file}.gz`, zipped), writeFile(`${file}.br`, brotli)]);
}

export default defineConfig({
  // Relative addresses: the site works below any prefix of a reverse proxy.
  base: "./",
  plugins: [precompress()],
  build: {
    target: "es2022",
    // Every file by its own address: the policy allows no inline script, and `data:` no font.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // hls.js is one file of about this size, loaded only by browsers that need it.
    chunkSizeWarningLimit: 600,
    rolldownOptions: {
      input: { home: "index.html", watch: "live/watch.html" },
    },
  },
});
