import assert from "node:assert/strict";
import { test } from "node:test";
import { Caution, paceOf, type Position } from "../src/player/pace.ts";

const settled: Position = {
  latencyS: 0.75,
  targetS: 0.75,
  bufferedS: 0.6,
  fresh: false,
  stalledS: 0,
};

test("at the wanted distance the speed is exactly one", () => {
  assert.deepEqual(paceOf(settled), { rate: 1, jump: false });
  assert.equal(paceOf({ ...settled, latencyS: 0.78 }).rate, 1);
  assert.equal(paceOf({ ...settled, latencyS: 0.72 }).rate, 1);
});

test("half a second behind is made up within ten seconds, with less than a second buffered", () => {
  let latencyS = 1.25;
  let elapsedS = 0;
  while (latencyS > 0.75 + 0.1 && elapsedS < 60) {
    const { rate, jump } = paceOf({ ...settled, latencyS, bufferedS: latencyS - 0.2 });
    assert.equal(jump, false);
    latencyS -= (rate - 1) * 0.25;
    elapsedS += 0.25;
  }
  assert.ok(elapsedS <= 10, `took ${elapsedS} s`);
});

test("speeds stay where speech sounds natural and watch time counts", () => {
  for (let latencyS = 0; latencyS < 5; latencyS += 0.01) {
    for (const bufferedS of [0, 0.1, 0.3, 1, 4]) {
      const { rate } = paceOf({ ...settled, latencyS, bufferedS });
      assert.ok(rate >= 0.95 && rate <= 1.1, `${rate} at ${latencyS}`);
    }
  }
});

test("the last part in hand is not spent on catching up", () => {
  assert.equal(paceOf({ ...settled, latencyS: 1.5, bufferedS: 0.2 }).rate, 1);
});

test("too close to the edge with nothing in hand slows down", () => {
  assert.ok(paceOf({ ...settled, latencyS: 0.4, bufferedS: 0.1 }).rate < 1);
  assert.equal(paceOf({ ...settled, latencyS: 0.4, bufferedS: 0.4 }).rate, 1);
});

test("far behind jumps instead", () => {
  assert.deepEqual(paceOf({ ...settled, latencyS: 9, bufferedS: 8 }), { rate: 1, jump: true });
});

test("a standing picture is left behind once there is something newer to go to", () => {
  const standing: Position = { ...settled, latencyS: 1.9, bufferedS: 0, stalledS: 1.2 };
  assert.equal(paceOf(standing).jump, true);
  assert.equal(paceOf({ ...standing, stalledS: 0.5 }).jump, false);
  assert.equal(paceOf({ ...standing, latencyS: 1.2 }).jump, false);
});

test("a fresh picture jumps within what is loaded, and only then", () => {
  const late: Position = { ...settled, latencyS: 1.6, bufferedS: 1.4, fresh: true };
  assert.equal(paceOf(late).jump, true);
  assert.equal(paceOf({ ...late, fresh: false }).jump, false);
  assert.equal(paceOf({ ...late, bufferedS: 0.9 }).jump, false, "not loaded yet");
});

test("each stall adds a part's distance, up to a bound, and quiet minutes give it back", () => {
  const caution = new Caution();
  assert.equal(caution.extraS(0), 0);
  caution.stalled(1000);
  assert.equal(caution.extraS(1000), 0.25);
  caution.stalled(2000);
  assert.equal(caution.extraS(61_000), 0.5);
  assert.equal(caution.extraS(62_000), 0.25);
  assert.equal(caution.extraS(900_000), 0);
  for (let stall = 0; stall < 100; stall += 1) {
    caution.stalled(1_000_000 + stall);
  }
  assert.equal(caution.extraS(1_000_100), 2);
});

test("steps given back stay given back when it stalls again", () => {
  const caution = new Caution();
  caution.stalled(0);
  caution.stalled(0);
  caution.stalled(70_000);
  assert.equal(caution.extraS(70_000), 0.5);
});
