import assert from "node:assert/strict";
import { test } from "node:test";
import { type Failure, Recovery } from "../src/player/recovery.ts";

const media: Failure = { type: "mediaError", details: "bufferAppendError", text: "" };
const network: Failure = { type: "networkError", details: "levelLoadError", text: "" };

test("a missing decoder is told at once", () => {
  const details = "manifestIncompatibleCodecsError";
  const remedy = new Recovery().choose({ ...media, details }, 0);
  assert.deepEqual(remedy, { kind: "give-up", reason: "codec" });
});

test("the decoder is emptied first, then everything is built anew, then a person is told", () => {
  const recovery = new Recovery();
  const kinds = [0, 1, 2, 3, 4, 5].map((second) => recovery.choose(media, second * 1000).kind);
  const rebuilds = ["rebuild", "rebuild", "rebuild", "rebuild"];
  assert.deepEqual(kinds, ["recover-media", ...rebuilds, "give-up"]);
});

test("a minute of playing earns a new start", () => {
  const recovery = new Recovery();
  for (let second = 0; second < 5; second += 1) {
    recovery.choose(media, second * 1000);
  }
  assert.equal(recovery.choose(media, 65_000).kind, "recover-media");
});

test("the network is asked about, however often it fails", () => {
  const recovery = new Recovery();
  for (let second = 0; second < 50; second += 1) {
    assert.equal(recovery.choose(network, second * 1000).kind, "ask-again");
  }
});

test("what emptying a decoder cannot mend is built anew", () => {
  const remedy = new Recovery().choose({ type: "muxError", details: "", text: "" }, 0);
  assert.equal(remedy.kind, "rebuild");
});
