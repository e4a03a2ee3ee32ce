// Plays a live show in a real browser and prints one JSON report as its last line.
//
//   node play.mjs --browser chromium|firefox --engine hls.js|native --url URL --seconds N
//
// The page is served from another loopback port than the show, as on a real site, so that every
// playlist, part and error answer has to carry its CORS headers.
import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { setTimeout } from "node:timers/promises";
import { parseArgs } from "node:util";
import { chromium } from "playwright-core";
import puppeteer from "puppeteer-core";

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

const CHROMIUM_ARGUMENTS = [
  "--no-sandbox",
  "--disable-gpu",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--autoplay-policy=no-user-gesture-required",
];

/** Serves the test page and hls.js on a free loopback port. */
async function servePage() {
  const files = new Map([
    ["/", [new URL("./player.html", import.meta.url), "text/html"]],
    ["/player.js", [new URL("./player.js", import.meta.url), "text/javascript"]],
    ["/hls.js", [new URL("./node_modules/hls.js/dist/hls.min.js", import.meta.url), "text/javascript"]],
  ]);
  const server = createServer(async (request, response) => {
    const entry = files.get(new URL(request.url ?? "/", "http://page").pathname);
    if (!entry) return response.writeHead(404).end();
    const [file, type] = entry;
    response.writeHead(200, { "content-type": type }).end(await readFile(file));
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  return server;
}

/**
 * Opens a page in the browser asked for.
 * @returns {Promise<{ page: { goto: Function, evaluate: Function }, close: () => Promise<void> }>}
 */
async function openPage() {
  if (options.browser === "firefox") {
    const browser = await puppeteer.launch({
      browser: "firefox",
      executablePath: options.executable ?? "/usr/bin/firefox",
      headless: true,
      extraPrefsFirefox: { "media.autoplay.default": 0, "media.autoplay.blocking_policy": 0 },
    });
    return { page: await browser.newPage(), close: () => browser.close() };
  }
  const browser = await chromium.launch({
    executablePath: options.executable ?? "/usr/bin/chromium",
    args: CHROMIUM_ARGUMENTS,
  });
  return { page: await browser.newPage(), close: () => browser.close() };
}

const server = await servePage();
const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
const { page, close } = await openPage();
try {
  const query = new URLSearchParams({ url: options.url ?? "", engine: options.engine });
  await page.goto(`http://127.0.0.1:${port}/?${query}`);
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
  server.close();
}
