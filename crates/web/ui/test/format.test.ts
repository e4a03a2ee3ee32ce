import assert from "node:assert/strict";
import { test } from "node:test";
import {
  bitRateText,
  codecsText,
  isOnly,
  levelText,
  playlistAddress,
  secondsText,
  showAddress,
  shownLatencyS,
  typedHandle,
} from "../src/player/format.ts";

test("the handle and the playlist come from the page's own path", () => {
  const alice = { handle: "alice", playlist: "/live/alice/index.m3u8" };
  assert.deepEqual(showAddress("/live/alice"), alice);
  assert.deepEqual(showAddress("/live/alice/"), alice);
  assert.equal(showAddress("/"), null);
  assert.equal(showAddress("/live/"), null);
});

test("a proxy's prefix stays in front of the playlist", () => {
  assert.equal(showAddress("/tv/live/alice")?.playlist, "/tv/live/alice/index.m3u8");
});

test("escaped handles are shown plainly and asked for as they came; broken ones do no harm", () => {
  const address = showAddress("/live/j%C3%B6rg");
  assert.deepEqual(address, { handle: "jörg", playlist: "/live/j%C3%B6rg/index.m3u8" });
  assert.equal(showAddress("/live/%E0%A4%A")?.handle, "%E0%A4%A");
});

test("a typed handle may have an at sign, spaces or be a whole address", () => {
  for (const typed of ["alice", " @alice ", "https://x.example/live/alice?x=1", "alice/"]) {
    assert.equal(typedHandle(typed), "alice");
  }
  assert.equal(typedHandle("  @ "), "");
});

test("numbers read well", () => {
  assert.equal(secondsText(0.94), "0.9 s");
  assert.equal(secondsText(12.4), "12 s");
  assert.equal(secondsText(null), "–");
  assert.equal(bitRateText(3_240_000), "3.2 Mbit/s");
  assert.equal(bitRateText(640_400), "640 kbit/s");
  assert.equal(bitRateText(0), "–");
  assert.equal(levelText(1080, 30, 1), "1080p");
  assert.equal(levelText(720, 59.94, 1), "720p60");
  assert.equal(levelText(0, 0, 128_000), "128 kbit/s");
});

test("codecs have the names people know; one that has none is shown as it is", () => {
  assert.equal(codecsText(["hvc1.1.6.L93.90", "mp4a.40.2"]), "H.265 (HEVC) and AAC");
  assert.equal(codecsText(["avc1.42C01F", "avc1.42C01E", "opus"]), "H.264 and Opus");
  assert.equal(codecsText(["mp4a.40.34"]), "MP3");
  assert.equal(codecsText(["xyz9.1"]), "xyz9.1");
});

test("a show of sound alone or of pictures alone is known by its codecs", () => {
  assert.ok(isOnly("sound", ["mp4a.40.2", "fLaC"]));
  assert.ok(isOnly("video", ["avc1.42C01F"]));
  for (const codecs of [["avc1.42C01F", "opus"], ["xyz9.1"], []]) {
    assert.ok(!isOnly("sound", codecs) && !isOnly("video", codecs), codecs.join());
  }
});

test("latency comes from the time of day unless the clocks disagree", () => {
  assert.equal(shownLatencyS(0.9, 0.8), 0.9);
  assert.equal(shownLatencyS(45, 0.8), 0.8, "this device's clock is ahead");
  assert.equal(shownLatencyS(-2, 0.8), 0.8, "this device's clock is behind");
  assert.equal(shownLatencyS(0.3, 0.8), 0.8, "the encoder is ahead of the server's clock");
  assert.equal(shownLatencyS(null, 0.8), 0.8);
  assert.equal(shownLatencyS(1.1, null), 1.1);
  assert.equal(shownLatencyS(-1, null), null);
});

test("a playlist's address tells whom to ask for a session", () => {
  assert.deepEqual(playlistAddress("/live/alice/index.m3u8"), { server: "", handle: "alice" });
  const other = playlistAddress("https://a.example/tv/live/%C3%A4/index.m3u8");
  assert.deepEqual(other, { server: "https://a.example/tv", handle: "ä" });
  assert.equal(playlistAddress("index.m3u8"), null);
});
