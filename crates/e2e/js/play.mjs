// Plays a live show in a real browser and prints one JSON report as its last line.
//
//   node play.mjs --browser chromium|firefox --engine hls.js|native --url URL --seconds N
import { setTimeout } from "node:timers/promises";
import { parseArgs } from "node:util";
import { openPage } from "./browser.mjs";

const { values: options } = parseArgs({
  options: {
    browser: { type: "string", default: "chromium" },
    engine: { type: "string", default: "hls.js" },
    url: { type: "string" },
    seconds: { type: "string", default: "30" },
    startWithin: { type: "string", default: "20" },
    executable: { type: "string" },
  },
});

/** What a browser needs on two cores until it has finished starting up. */
const SETTLE_MS = 2000;

const { page, close } = await openPage({
  browser: options.browser,
  executable: options.executable,
  files: {
    "/": "player.html",
    "/player.js": "player.js",
    "/hls.js": "node_modules/hls.js/dist/hls.min.js",
  },
  path: `/?${new URLSearchParams({ url: options.url ?? "", engine: options.engine })}`,
});
try {
  // A viewer's browser has long been started; its start is not what is measured.
  await setTimeout(SETTLE_MS);
  const times = [Number(options.startWithin), Number(options.seconds)];
  const report = await page.evaluate(
    /** @param {number[]} times */ ([startWithin, seconds]) => globalThis.play(startWithin, seconds),
    times,
  );
  console.log(JSON.stringify(report));
} finally {
  await close();
}
