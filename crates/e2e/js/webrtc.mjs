// Publishes or plays over WebRTC in a real browser.
//
//   node webrtc.mjs publish --browser chromium|firefox --url URL [--token KEY] [--codec VP8] [--layers 3]
//   node webrtc.mjs watch --browser chromium|firefox --url URL --seconds N [--path tcp|relay|restart]
//
// A publisher prints a line PUBLISHING and goes on until its standard input ends; both print one
// JSON report as their last line.
import { parseArgs } from "node:util";
import { openPage } from "./browser.mjs";

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    browser: { type: "string", default: "chromium" },
    executable: { type: "string" },
    url: { type: "string" },
    token: { type: "string" },
    codec: { type: "string" },
    layers: { type: "string", default: "1" },
    seconds: { type: "string", default: "10" },
    path: { type: "string" },
    startWithin: { type: "string", default: "20" },
  },
});

const FILES = {
  "/": "webrtc.html",
  "/whip.js": "whip.js",
  "/whep.js": "whep.js",
  "/marks.js": "marks.js",
  "/onset.js": "onset.js",
};

const { browser, executable, url } = options;
/** Without a sound card an AudioContext never starts in Firefox. */
const hasAudioClock = browser !== "firefox";
const { page, close } = await openPage({ browser, executable, files: FILES, path: "/" });
try {
  console.log(JSON.stringify(await (positionals[0] === "publish" ? publish() : watch())));
} finally {
  await close();
}

async function publish() {
  const { token, codec } = options;
  const layers = Number(options.layers);
  const asked = { url, token, codec, layers, beeps: hasAudioClock };
  const answer = await page.evaluate((asked) => globalThis.publish(asked), asked);
  if (answer.status !== 201) return answer;
  console.log("PUBLISHING");
  await new Promise((resolve) => process.stdin.on("end", resolve).resume());
  return { ...answer, ...(await page.evaluate(() => globalThis.unpublish())) };
}

function watch() {
  const asked = {
    url,
    seconds: Number(options.seconds),
    startWithin_ms: Number(options.startWithin) * 1000,
    beeps: hasAudioClock,
    path: options.path,
  };
  return page.evaluate((asked) => globalThis.watch(asked), asked);
}
