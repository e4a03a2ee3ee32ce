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

// The script for other people's pages: a line at an address that stays, which names the file with the
// hash that the watch page loads as well. Larger, and it is not what the README says it is.
const HEARTBEATS = "tally-heartbeats";
const HEARTBEATS_BYTES_MAX = 4500;

function measureHeartbeats(): Plugin {
  return {
    name: "measure-heartbeats",
    apply: "build",
    generateBundle(_options, bundle) {
      const sizes = [`assets/${HEARTBEATS}.js`].flatMap(function sizesOf(name): number[] {
        const file = bundle[name];
        return file?.type === "chunk" ? [file.code.length, ...file.imports.flatMap(sizesOf)] : [];
      });
      const bytes = sizes.reduce((sum, size) => sum + size, 0);
      if (bytes === 0 || bytes > HEARTBEATS_BYTES_MAX) {
        throw new Error(`${HEARTBEATS} has ${bytes} bytes of at most ${HEARTBEATS_BYTES_MAX}`);
      }
    },
  };
}

export default defineConfig({
  // Relative addresses: the site works below any prefix of a reverse proxy.
  base: "./",
  plugins: [measureHeartbeats(), precompress()],
  build: {
    target: "es2022",
    // Every file by its own address: the policy allows no inline script, and `data:` no font.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // hls.js is one file of about this size, loaded only by browsers that need it.
    chunkSizeWarningLimit: 600,
    rolldownOptions: {
      input: {
        home: "index.html",
        watch: "live/watch.html",
        [HEARTBEATS]: "src/heartbeats/index.ts",
      },
      // Others import it by its exports' names.
      preserveEntrySignatures: "strict",
      output: {
        entryFileNames: ({ name }) =>
          name === HEARTBEATS ? "assets/[name].js" : "assets/[name]-[hash].js",
      },
    },
  },
});
