import assert from "node:assert/strict";
import { test } from "node:test";
import { type Facts, stateOf } from "../src/player/state.ts";
import { announcementOf, messageOf } from "../src/player/words.ts";

const playing: Facts = {
  phase: "playing",
  reason: "",
  seen: true,
  stalledMs: 0,
  encoderAway: false,
};

test("a moving picture is live, also while the newest media is already missing", () => {
  assert.equal(stateOf(playing).state, "live");
  assert.equal(stateOf({ ...playing, encoderAway: true }).state, "live");
});

test("a standing picture is told apart by why and how long", () => {
  assert.equal(stateOf({ ...playing, stalledMs: 300 }).state, "live");
  assert.equal(stateOf({ ...playing, stalledMs: 900 }).state, "buffering");
  assert.equal(stateOf({ ...playing, stalledMs: 9000 }).state, "reconnecting");
  const away = stateOf({ ...playing, stalledMs: 900, encoderAway: true });
  assert.deepEqual(away, { state: "reconnecting", reason: "encoder-away" });
});

test("before the first picture it is connecting", () => {
  assert.equal(stateOf({ ...playing, seen: false }).state, "connecting");
});

test("asking the first time is checking, then waiting", () => {
  const asking: Facts = { ...playing, phase: "asking", seen: false };
  assert.equal(stateOf(asking).state, "checking");
  assert.equal(stateOf({ ...asking, reason: "not-live" }).state, "waiting");
  assert.equal(stateOf({ ...asking, reason: "server-unreachable" }).state, "waiting");
});

test("asking after a picture was seen is reconnecting", () => {
  const asking: Facts = { ...playing, phase: "asking", reason: "server-unreachable" };
  assert.equal(stateOf(asking).state, "reconnecting");
});

test("the end and a failure win over everything else", () => {
  const worst = { ...playing, stalledMs: 9000, encoderAway: true };
  assert.equal(stateOf({ ...worst, phase: "ended" }).state, "ended");
  const failed = stateOf({ ...worst, phase: "failed", reason: "codec" });
  assert.deepEqual(failed, { state: "error", reason: "codec" });
});

test("a person reads the creator's name, the codec, and no code word", () => {
  assert.match(messageOf("waiting", "not-live", "@alice", []).title, /^@alice is not live/);
  const codec = messageOf("error", "codec", "@alice", ["hvc1.1.6.L93.90"]);
  assert.match(codec.text, /H\.265/);
  assert.equal(codec.retry, true);
  assert.equal(messageOf("live", "", "@alice", []).title, "");
  assert.equal(messageOf("reconnecting", "encoder-away", "@alice", []).retry, false);
});

test("a screen reader hears every change", () => {
  const said = (["checking", "live", "buffering", "ended"] as const).map((state) =>
    announcementOf(state, messageOf(state, "", "@alice", []), "@alice"),
  );
  assert.equal(new Set(said).size, said.length);
  assert.ok(said.every((line) => line.trim().length > 3));
});
