import assert from "node:assert/strict";
import { test } from "node:test";
import { BitRateMeter, FrameMeter, StallMeter } from "../src/player/meters.ts";

test("frames go on counting when the browser begins at zero again", () => {
  const meter = new FrameMeter();
  meter.read(100, 3);
  meter.read(250, 4);
  meter.read(10, 0);
  meter.read(20, 1);
  assert.equal(meter.total, 270);
  assert.equal(meter.dropped, 5);
});

test("the bit rate is that of the newest seconds of media", () => {
  const meter = new BitRateMeter();
  assert.equal(meter.bitsPerS, 0);
  for (let part = 0; part < 100; part += 1) {
    meter.add(1_000_000, 0.25);
  }
  for (let part = 0; part < 40; part += 1) {
    meter.add(62_500, 0.25);
  }
  assert.equal(meter.bitsPerS, 2_000_000);
});

test("a stall is counted once, however long, and again when it comes again", () => {
  const meter = new StallMeter();
  assert.equal(meter.look(1, true, 0), 0);
  assert.equal(meter.look(1.25, true, 250), 0);
  assert.equal(meter.look(1.25, true, 500), 250);
  assert.equal(meter.look(1.25, true, 750), 500);
  assert.equal(meter.count, 1);
  assert.equal(meter.look(1.5, true, 1000), 0);
  assert.equal(meter.look(1.5, true, 1250), 250);
  assert.equal(meter.count, 2);
});

test("a pause is no stall", () => {
  const meter = new StallMeter();
  meter.look(1, true, 0);
  meter.look(1, false, 250);
  meter.look(1, false, 5000);
  assert.equal(meter.look(1, true, 5100), 100);
  assert.equal(meter.count, 0);
});

test("a stop that a jump on purpose takes is not counted, the next one is", () => {
  const meter = new StallMeter();
  meter.look(1, true, 0);
  meter.excuse();
  assert.equal(meter.look(1, true, 300), 300);
  assert.equal(meter.count, 0);
  meter.look(3, true, 600);
  meter.look(3, true, 900);
  assert.equal(meter.count, 1);
});
