// Takes the README's picture of the watch page, from a server that runs with a show on it:
//
//   npm run screenshot -- http://127.0.0.1:8080/live/alice [../docs/watch-page.jpg]
//
// Exits with an error when the show does not play. CHROMIUM names another browser binary.
import { stat } from "node:fs/promises";
import { chromium } from "playwright-core";

const [url, target = "../docs/watch-page.jpg"] = process.argv.slice(2);
if (url === undefined) {
  console.error("usage: npm run screenshot -- WATCH-PAGE-ADDRESS [FILE]");
  process.exit(2);
}

// Small enough for a README, large enough to read the controls.
const SIZE = { width: 1100, height: 676 };
const PLAYING_WITHIN_MS = 30_000;
// The player settles at its distance from the live edge in about this time.
const SETTLED_AFTER_MS = 8000;

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--autoplay-policy=no-user-gesture-required"],
});
try {
  const page = await browser.newPage({ viewport: SIZE, colorScheme: "light" });
  await page.goto(url);
  await page.waitForSelector("tally-player[data-state=live]", { timeout: PLAYING_WITHIN_MS });
  await page.waitForTimeout(SETTLED_AFTER_MS);
  // Controls show while the pointer moves over the picture, and fade in.
  await page.mouse.move(SIZE.width / 2, SIZE.height / 2);
  await page.waitForTimeout(600);
  // A photograph as PNG is five times the size.
  const format = target.endsWith(".png") ? { type: "png" } : { type: "jpeg", quality: 84 };
  await page.screenshot({ path: target, ...format });
  const stats = await page.evaluate(() => document.querySelector("tally-player").stats);
  const { size } = await stat(target);
  console.log(`${target}: ${Math.ceil(size / 1024)} kB, latency ${stats.latencyMs} ms`);
} finally {
  await browser.close();
}
