// People watch in Chromium, each a show of their own and each in another way, all at once.
//
//   node watching.mjs --server URL --stories plain,left,... [--executable CHROMIUM]
//
// Each story watches the show of the creator with its name. Prints one JSON object as its last line:
// by story, the show's id, what should count of it (the smaller of the media rendered with attention and
// of the time somebody was there), and what was rendered but is worth nothing.
import { setTimeout as pass } from "node:timers/promises";
import { parseArgs } from "node:util";
import puppeteer from "puppeteer-core";
import { serve } from "./browser.mjs";
import { length, minus, union } from "./stretches.mjs";

const { values: options } = parseArgs({
  options: {
    server: { type: "string", default: "" },
    stories: { type: "string", default: "" },
    executable: { type: "string", default: "/usr/bin/chromium" },
  },
});

const FILES = {
  "/": "viewer.html",
  "/viewer.js": "viewer.js",
  "/hls.js": "node_modules/hls.js/dist/hls.min.js",
};

const server = await serve(FILES);
const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
const browser = await puppeteer.launch({
  executablePath: options.executable,
  // Tabs in the background are to be treated as people's browsers treat them.
  ignoreDefaultArgs: ["--disable-background-timer-throttling", "--disable-renderer-backgrounding"],
  args: [
    "--no-sandbox",
    "--disable-gpu",
    "--autoplay-policy=no-user-gesture-required",
    // Chromium pauses what is out of sight and silent; not every browser does.
    "--disable-features=PauseBackgroundMutedAudio",
  ],
});

/** A window of its own with the page, playing. */
async function open(context, story) {
  const page = await context.newPage({ type: "window" });
  page.on("console", (message) => console.error(`${story}: ${message.text()}`));
  page.on("pageerror", (error) => console.error(`${story}: ${error.message}`));
  await page.goto(`http://127.0.0.1:${port}/?${new URLSearchParams({ server: options.server, handle: story })}`);
  await page.waitForFunction(() => globalThis.begin);
  const show = await page.evaluate(() => globalThis.begin());
  return { page, show };
}

const finish = (page) => page.evaluate(() => globalThis.finish());

const playOn = (page, seconds) => page.evaluate((it) => globalThis.playOn(it), seconds);

/** Each gets an open page and gives the reports of all pages that watched. */
const STORIES = {
  async plain(page) {
    await playOn(page, 12);
    return [await finish(page)];
  },
  /** The page is left while it plays: what it had to say last leaves as a beacon. */
  async left(page) {
    await playOn(page, 6);
    const report = await page.evaluate(() => globalThis.rendered());
    await page.goto("about:blank");
    return [report];
  },
  async twice(page, context) {
    await playOn(page, 3);
    const other = await open(context, "twice");
    await playOn(page, 5);
    return Promise.all([finish(page), finish(other.page)]);
  },
  /** Behind another tab: without sound it is worth nothing, with sound it is. */
  async hidden(page, context) {
    await playOn(page, 3);
    await page.evaluate(() => {
      globalThis.video.muted = false;
      globalThis.video.volume = 0;
      document.addEventListener("visibilitychange", globalThis.beWorthless, { once: true });
    });
    const front = await context.newPage();
    await front.bringToFront();
    await page.waitForFunction(() => document.hidden, { polling: 100 });
    await playOn(page, 5);
    await page.evaluate(() => {
      globalThis.video.volume = 1;
      globalThis.beOfWorth();
    });
    await playOn(page, 3);
    await page.bringToFront();
    await playOn(page, 1);
    return [await finish(page)];
  },
  async paused(page) {
    await playOn(page, 4);
    await page.evaluate(() => globalThis.video.pause());
    await pass(4_000);
    await page.evaluate(() => globalThis.video.play());
    await playOn(page, 4);
    return [await finish(page)];
  },
  async back(page) {
    await playOn(page, 7);
    await page.evaluate(() => {
      globalThis.video.currentTime -= 4;
    });
    await playOn(page, 6);
    return [await finish(page)];
  },
  /** Twice the speed needs something to catch up with: a pause before it. */
  async fast(page) {
    await playOn(page, 4);
    await page.evaluate(() => globalThis.video.pause());
    await pass(6_000);
    await page.evaluate(async () => {
      await globalThis.video.play();
      globalThis.beWorthless();
      globalThis.video.playbackRate = 2;
      await globalThis.playOn(4);
      globalThis.video.playbackRate = 1;
      globalThis.beOfWorth();
    });
    await playOn(page, 3);
    return [await finish(page)];
  },
  async cut(page) {
    await playOn(page, 5);
    await page.setOfflineMode(true);
    await pass(15_000);
    await page.setOfflineMode(false);
    await playOn(page, 5);
    return [await finish(page)];
  },
};

async function tell(story) {
  const context = await browser.createBrowserContext();
  const { page, show } = await open(context, story);
  const reports = await STORIES[story](page, context);
  const worthless = union(reports.flatMap((report) => report.worthless));
  const played = union(reports.flatMap((report) => report.played));
  const media_ms = Math.round(length(minus(played, worthless)));
  const present_ms = Math.round(length(union(reports.flatMap((report) => report.moved))));
  const worthless_ms = Math.round(length(worthless));
  return [story, { show, counted_ms: Math.min(media_ms, present_ms), worthless_ms }];
}

try {
  const told = await Promise.all(options.stories.split(",").map(tell));
  console.log(JSON.stringify(Object.fromEntries(told)));
} finally {
  await browser.close();
  server.close();
}
