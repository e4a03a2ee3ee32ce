// A page of this folder in a real browser.
//
// It is served from another loopback port than the server under test, as on a real site, so that
// every answer has to carry its CORS headers.
import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { chromium } from "playwright-core";
import puppeteer from "puppeteer-core";

const CHROMIUM_ARGUMENTS = [
  "--no-sandbox",
  "--disable-gpu",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--autoplay-policy=no-user-gesture-required",
  // WebRTC leaves loopback out otherwise, and hides the other addresses behind mDNS names.
  "--allow-loopback-in-peer-connection",
  "--disable-features=WebRtcHideLocalIpsWithMdns",
];

const FIREFOX_PREFERENCES = {
  "media.autoplay.default": 0,
  "media.autoplay.blocking_policy": 0,
  "media.peerconnection.ice.loopback": true,
  "media.peerconnection.ice.obfuscate_host_addresses": false,
  "media.navigator.permission.disabled": true,
  "media.navigator.streams.fake": true,
};

const TYPES = { html: "text/html", js: "text/javascript" };

/**
 * Opens a page, itself below `files` by its path, in the browser asked for.
 * @param {{ browser: string, executable?: string, files: Record<string, string>, path: string }} options
 * @returns {Promise<{ page: { evaluate: Function }, close: () => Promise<void> }>}
 */
export async function openPage({ browser, executable, files, path }) {
  const server = await serve(files);
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  const program = await (browser === "firefox"
    ? puppeteer.launch({
        browser: "firefox",
        executablePath: executable ?? "/usr/bin/firefox",
        headless: true,
        extraPrefsFirefox: FIREFOX_PREFERENCES,
      })
    : chromium.launch({
        executablePath: executable ?? "/usr/bin/chromium",
        args: CHROMIUM_ARGUMENTS,
      }));
  const page = await program.newPage();
  page.on("console", (message) => console.error(`page: ${message.text()}`));
  await page.goto(`http://127.0.0.1:${port}${path}`);
  const close = async () => {
    await program.close();
    server.close();
  };
  return { page, close };
}

/** Serves files of this folder, by the paths they are asked for, on a free loopback port. */
export async function serve(files) {
  const server = createServer(async (request, response) => {
    const file = files[new URL(request.url ?? "/", "http://page").pathname];
    if (!file) return response.writeHead(404).end();
    const body = await readFile(new URL(file, import.meta.url));
    response.writeHead(200, { "content-type": TYPES[file.split(".").pop()] }).end(body);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  return server;
}
