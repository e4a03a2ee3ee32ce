import assert from "node:assert/strict";
import { test } from "node:test";
import { answerOf, codecsIn, pauseMs, showIn } from "../src/player/lookup.ts";

const playlist = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nsh1/v0/playlist.m3u8\n";

test("a playlist means a show, named by its address", () => {
  assert.deepEqual(answerOf(200, playlist), { kind: "show", show: "sh1", codecs: [] });
});

test("a session in the address does not make it another show", () => {
  assert.equal(showIn("#EXTM3U\r\n\r\ns/abc/sh1/v0/playlist.m3u8\r\n"), "sh1");
  assert.equal(showIn("#EXTM3U\ns/xyz/sh1/v1/playlist.m3u8"), "sh1");
});

test("the codecs of all renditions are known before anything plays", () => {
  const levels = [
    '#EXT-X-STREAM-INF:BANDWIDTH=2,AVERAGE-BANDWIDTH=1,CODECS="hvc1.1.6.L93.90,mp4a.40.2",RESOLUTION=4x2',
    "sh1/v0/playlist.m3u8",
    '#EXT-X-STREAM-INF:CODECS="avc1.42C01F,mp4a.40.2",BANDWIDTH=1',
    "sh1/v1/playlist.m3u8",
  ];
  const codecs = ["hvc1.1.6.L93.90", "mp4a.40.2", "avc1.42C01F"];
  assert.deepEqual(codecsIn(["#EXTM3U", ...levels].join("\n")), codecs);
  assert.deepEqual(codecsIn(playlist), []);
});

test("404 and 410 mean that nobody is live", () => {
  for (const status of [404, 410]) {
    assert.deepEqual(answerOf(status, ""), { kind: "none", reason: "not-live" });
  }
});

test("401 and 403 are final", () => {
  assert.deepEqual(answerOf(401, ""), { kind: "refused" });
  assert.deepEqual(answerOf(403, ""), { kind: "refused" });
});

test("anything else is a server in trouble, also a page where a playlist should be", () => {
  for (const [status, body] of [[503, ""], [429, ""], [200, "<!doctype html>"]] as const) {
    assert.deepEqual(answerOf(status, body), { kind: "none", reason: "server-busy" });
  }
});

test("pauses grow from one second to five, and are spread", () => {
  assert.equal(pauseMs(0, false, 0.5), 1000);
  assert.ok(pauseMs(1, false, 0.5) > 1000);
  assert.equal(pauseMs(1000, false, 0.5), 5000);
  assert.ok(pauseMs(3, false, 0) < pauseMs(3, false, 1));
  for (let attempt = 0; attempt < 20; attempt += 1) {
    assert.ok(pauseMs(attempt, false, 0) >= 800 && pauseMs(attempt, false, 1) <= 6000);
  }
});

test("a page nobody looks at asks less often", () => {
  assert.ok(pauseMs(20, true, 0.5) > pauseMs(20, false, 0.5));
});
