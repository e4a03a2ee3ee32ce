import assert from "node:assert/strict";
import { test } from "node:test";
import { Outbox } from "../src/heartbeats/outbox.ts";
import { rtpClock } from "../src/heartbeats/rtp-clock.ts";
import { type Look, Ranges, type Stretch } from "../src/heartbeats/ranges.ts";

const INTERVAL_MS = 10_000;
const PDT = 1_700_000_000_000;

const playing: Look = {
  clockMs: 0,
  mediaMs: PDT,
  rendering: true,
  rate: 1,
  visible: true,
  pip: false,
  audible: false,
};

function stretchesOf(looks: Partial<Look>[]): Stretch[] {
  const all: Stretch[] = [];
  const ranges = new Ranges(INTERVAL_MS, (stretch) => all.push(stretch));
  for (const look of looks) {
    ranges.look({ ...playing, ...look });
  }
  ranges.cut();
  return all;
}

/** Looks four times a second, from one moment to another, media at `rate`. */
function steadily(fromMs: number, toMs: number, rate = 1, media = PDT + fromMs): Partial<Look>[] {
  const looks = [];
  for (let clockMs = fromMs; clockMs <= toMs; clockMs += 250) {
    looks.push({ clockMs, mediaMs: media + (clockMs - fromMs) * rate, rate });
  }
  return looks;
}

const medias = (all: Stretch[]) => all.map(({ media_ms }) => media_ms.map((it) => it - PDT));

test("steady watching is cut every interval, without a gap", () => {
  const all = stretchesOf(steadily(0, 24_000));
  assert.deepEqual(medias(all), [[0, 10_000], [10_000, 20_000], [20_000, 24_000]]);
  assert.deepEqual(all[1]?.clock_ms, [10_000, 20_000]);
});

test("a pause belongs to nothing", () => {
  const paused = { rendering: false, mediaMs: PDT + 2_100, clockMs: 2_100 };
  const all = stretchesOf([
    ...steadily(0, 2_000),
    paused,
    { ...paused, clockMs: 5_000 },
    ...steadily(8_000, 9_000, 1, PDT + 2_100),
  ]);
  assert.deepEqual(medias(all), [[0, 2_100], [2_100, 3_100]]);
  assert.deepEqual(all[1]?.clock_ms, [8_000, 9_000]);
});

test("a stretch spans no seek in either direction, seen or not", () => {
  const seeking = { clockMs: 2_100, mediaMs: null };
  const back = stretchesOf([...steadily(0, 2_000), seeking, ...steadily(2_250, 4_250, 1, PDT + 500)]);
  assert.deepEqual(medias(back), [[0, 2_000], [500, 2_500]]);
  const ahead = stretchesOf([...steadily(0, 2_000), ...steadily(2_250, 4_250, 1, PDT + 9_000)]);
  assert.deepEqual(medias(ahead), [[0, 2_000], [9_000, 11_000]]);
});

test("a stall that no event told ends the stretch where the picture stood", () => {
  const all = stretchesOf([...steadily(0, 2_000), ...steadily(4_000, 5_000, 1, PDT + 2_000)]);
  assert.deepEqual(medias(all), [[0, 2_000], [2_000, 3_000]]);
  assert.deepEqual(all.map(({ clock_ms }) => clock_ms), [[0, 2_000], [4_000, 5_000]]);
});

test("attention is that of its own stretch", () => {
  const hidden = steadily(2_000, 4_000).map((look) => ({ ...look, visible: false }));
  const all = stretchesOf([...steadily(0, 1_750), ...hidden]);
  assert.deepEqual(all.map(({ visible }) => visible), [true, false]);
  assert.deepEqual(medias(all), [[0, 2_000], [2_000, 4_000]]);
});

test("catching up stays one stretch, twice the speed is one of its own", () => {
  const caught = [...steadily(0, 2_000), ...steadily(2_250, 4_000, 1.08, PDT + 2_250)];
  assert.equal(stretchesOf(caught).length, 1);
  const fast = stretchesOf([...steadily(0, 2_000), ...steadily(2_000, 4_000, 2, PDT + 2_000)]);
  assert.deepEqual(fast.map(({ rate }) => rate), [1, 2]);
  assert.deepEqual(medias(fast), [[0, 2_000], [2_000, 6_000]]);
});

const stretch = stretchesOf(steadily(0, 1_000))[0] as Stretch;
const sent = (body: string): number[] => JSON.parse(body).heartbeats.map((it: { sn: number }) => it.sn);

test("heartbeats are kept until acknowledged", async () => {
  const bodies: string[] = [];
  let online = false;
  const outbox = new Outbox("t1", async (body) => {
    bodies.push(body);
    if (!online) {
      throw new TypeError("no network");
    }
    return { status: 200, answer: { acknowledged: Math.max(0, ...sent(body)), token: "t2" } };
  });
  outbox.add(stretch);
  await outbox.flush();
  outbox.add(stretch);
  online = true;
  await outbox.flush();
  assert.deepEqual(bodies.map(sent), [[1], [1, 2]]);
  assert.ok(outbox.isEmpty);
  await outbox.flush();
  assert.equal(JSON.parse(bodies[2] ?? "").token, "t2", "the token was renewed");
});

test("a long cut keeps the newest, and they are sent in portions", async () => {
  const portions: number[][] = [];
  const outbox = new Outbox("t", async (body) => {
    portions.push(sent(body));
    return { status: 200, answer: { acknowledged: Math.max(...sent(body)) } };
  });
  for (let count = 0; count < 300; count += 1) {
    outbox.add(stretch);
  }
  await outbox.flush();
  assert.deepEqual(portions.map((it) => [it[0], it.length]), [[45, 128], [173, 128]]);
});

test("what the server does not take is tried again, dropped, or the end", async () => {
  for (const [status, kept, isOver] of [[503, true, false], [429, true, false], [400, false, false],
    [401, true, true], [409, true, true]] as const) {
    let requests = 0;
    const outbox = new Outbox("t", async () => {
      requests += 1;
      return { status };
    });
    outbox.add(stretch);
    await outbox.flush();
    assert.deepEqual([!outbox.isEmpty, outbox.isOver, requests], [kept, isOver, 1], `${status}`);
  }
});

test("a WebRTC viewer's timestamps become times, also where they wrap", () => {
  let rtpTimestamp = 2 ** 32 - 90_000;
  const receiver = { track: { kind: "video" }, getSynchronizationSources: () => [{ rtpTimestamp }] };
  const channel = new EventTarget();
  const connection = Object.assign(new EventTarget(), { getReceivers: () => [receiver] });
  const clock = rtpClock(connection as unknown as RTCPeerConnection);
  connection.dispatchEvent(Object.assign(new Event("datachannel"), { channel }));
  const tell = (message: object) =>
    channel.dispatchEvent(Object.assign(new Event("message"), { data: JSON.stringify(message) }));
  tell({ type: "state", state: "live" });
  assert.equal(clock(), null);
  tell({ type: "timeline", rtp: 2 ** 32 - 45_000, clock_hz: 90_000, unix_ms: PDT });
  assert.equal(clock(), PDT - 500);
  rtpTimestamp = 90_000;
  assert.equal(clock(), PDT + 1_500);
});
