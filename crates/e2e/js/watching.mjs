// People watch in Chromium, each in another way, all at once.
//
//   node watching.mjs --server URL --stories plain@alice,left@bob,... [--executable CHROMIUM]
//
// What is before the @ is how, what is after it whose show. Prints one JSON object as its last line:
// by story, the show's id, what should count of it (the smaller of the media rendered with attention and
// of the time somebody was there), and what was rendered but is worth nothing.
import { readFile } from "node:fs/promises";
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
  "/moved.js": "moved.js",
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
    "--disable-features=PauseBackgroundMutedAudio,WebRtcHideLocalIpsWithMdns",
    // WebRTC leaves loopback out otherwise.
    "--allow-loopback-in-peer-connection",
  ],
});

/** A window of its own with a page that can play, on another origin than the server. */
async function openPage(context, handle) {
  const page = await newWindow(context, handle);
  const query = new URLSearchParams({ server: options.server, handle });
  await page.goto(`http://127.0.0.1:${port}/?${query}`);
  await page.waitForFunction(() => globalThis.begin);
  return page;
}

async function newWindow(context, name) {
  const page = await context.newPage({ type: "window" });
  page.on("console", (message) => console.error(`${name}: ${message.text()}`));
  page.on("pageerror", (error) => console.error(`${name}: ${error.message}`));
  return page;
}

const finish = (page) => page.evaluate(() => globalThis.finish());

const playOn = (page, seconds) => page.evaluate((it) => globalThis.playOn(it), seconds);

/** Plays with hls.js alone. */
async function stock(context, handle, cmcd) {
  const page = await openPage(context, handle);
  const begin = (cmcd) => (cmcd ? globalThis.beginStock(cmcd) : globalThis.beginEvents());
  const show = await page.evaluate(begin, cmcd);
  await playOn(page, 10);
  return { show, reports: [await finish(page)] };
}

/** Stories of other players: whole ones. */
const STOCK = {
  query: (context, handle) => stock(context, handle, { version: 1, useHeaders: false }),
  headers: (context, handle) => stock(context, handle, { version: 1, useHeaders: true }),
  events: (context, handle) => stock(context, handle, null),
  async whep(context, handle) {
    const page = await openPage(context, handle);
    const show = await page.evaluate(() => globalThis.beginWhep());
    await playOn(page, 10);
    return { show, reports: [await finish(page)] };
  },
  /** The server's own page, left as people leave pages. */
  async page(context, handle) {
    const page = await newWindow(context, handle);
    await page.evaluateOnNewDocument(await readFile(new URL("moved.js", import.meta.url), "utf8"));
    await page.goto(`${options.server}/live/${handle}`);
    await page.waitForFunction(() => document.querySelector("video")?.played.length > 0);
    await page.evaluate(() => {
      const video = document.querySelector("video");
      const target = video.currentTime + 10;
      return new Promise((resolve) => {
        video.addEventListener("timeupdate", () => video.currentTime > target && resolve());
      });
    });
    const report = await page.evaluate(async () => {
      const { show } = await (await fetch(`/api/v1${location.pathname}`)).json();
      const { played } = document.querySelector("video");
      const stretch = (_, at) => [played.start(at) * 1000, played.end(at) * 1000];
      const moved = globalThis.movedUntilNow();
      return { show, played: Array.from({ length: played.length }, stretch), worthless: [], moved };
    });
    await page.goto("about:blank");
    return { show: report.show, reports: [report] };
  },
};

/** Stories of a page that attests. Each gets it playing and gives the reports of all pages. */
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
  async twice(page, context, handle) {
    await playOn(page, 3);
    const other = await openPage(context, handle);
    await other.evaluate(() => globalThis.begin());
    await playOn(page, 5);
    return Promise.all([finish(page), finish(other)]);
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

async function watch(context, story, handle) {
  if (story in STOCK) return STOCK[story](context, handle);
  const page = await openPage(context, handle);
  const show = await page.evaluate(() => globalThis.begin());
  return { show, reports: await STORIES[story](page, context, handle) };
}

async function tell(told) {
  const [story, handle] = told.split("@");
  const { show, reports } = await watch(await browser.createBrowserContext(), story, handle);
  const worthless = union(reports.flatMap((report) => report.worthless));
  const played = union(reports.flatMap((report) => report.played));
  const media_ms = Math.round(length(minus(played, worthless)));
  const present_ms = Math.round(length(union(reports.flatMap((report) => report.moved))));
  const worthless_ms = Math.round(length(worthless));
  return [told, { show, counted_ms: Math.min(media_ms, present_ms), worthless_ms }];
}

try {
  const told = await Promise.all(options.stories.split(",").map(tell));
  console.log(JSON.stringify(Object.fromEntries(told)));
} finally {
  await browser.close();
  server.close();
}
