// Plays over WHEP with libdatachannel, which hands out packets as they come: counts what was sent,
// without a jitter buffer or a decoder in between. Prints one JSON report as its last line.
//
//   node rtp.mjs --url URL --seconds N [--codec H264]
import { setTimeout } from "node:timers/promises";
import { parseArgs } from "node:util";
import datachannel from "node-datachannel";

const { values: options } = parseArgs({
  options: {
    url: { type: "string" },
    seconds: { type: "string", default: "10" },
    startWithin: { type: "string", default: "20" },
    codec: { type: "string", default: "H264" },
  },
});

const VIDEO = 96;
const AUDIO = 111;

/** What `publish/stamped.rs` writes into pictures, before the digits of microseconds since 1970. */
const STAMP_ID = Buffer.from("tally-sent-at-us");
const STAMP_DIGITS = 17;

/** What came in under one payload type. */
class Stream {
  packets = 0;
  bytes = 0;
  lost = 0;
  timestamps = new Set();
  firstTimestamp = null;
  lastTimestamp = null;
  expected = null;

  stamp_ms = null;
  delays = [];

  /** Notes how long a stamped picture took, when its last packet is here. */
  measure(packet) {
    const now_ms = performance.timeOrigin + performance.now();
    const at = packet.indexOf(STAMP_ID);
    const digits = at + STAMP_ID.length;
    if (at >= 0) this.stamp_ms = Number(packet.toString("latin1", digits, digits + STAMP_DIGITS)) / 1000;
    const marker = packet[1] & 0x80;
    if (!marker || this.stamp_ms === null) return;
    this.delays.push(now_ms - this.stamp_ms);
    this.stamp_ms = null;
  }

  take(packet) {
    const sequence = packet.readUInt16BE(2);
    const timestamp = packet.readUInt32BE(4);
    const ahead = this.expected === null ? 0 : (sequence - this.expected) & 0xffff;
    // Behind means late or again; nothing is taken back for it.
    if (ahead < 0x8000) {
      this.lost += ahead;
      this.expected = (sequence + 1) & 0xffff;
      this.lastTimestamp = timestamp;
    }
    this.firstTimestamp ??= timestamp;
    this.packets++;
    this.bytes += packet.length;
    this.timestamps.add(timestamp);
  }

  duration_ms(clock_hz) {
    return (((this.lastTimestamp - this.firstTimestamp) >>> 0) * 1000) / clock_hz;
  }
}

const connection = new datachannel.PeerConnection("viewer", {
  iceServers: [],
  bindAddress: "127.0.0.1",
  disableAutoNegotiation: true,
});
const streams = { [VIDEO]: new Stream(), [AUDIO]: new Stream() };
const video = new datachannel.Video("video", "RecvOnly");
video[`add${options.codec}Codec`](VIDEO);
const audio = new datachannel.Audio("audio", "RecvOnly");
audio.addOpusCodec(AUDIO);
let arrived = () => {};
const first = new Promise((resolve) => {
  arrived = () => resolve(undefined);
});
const tracks = [video, audio].map((media) => {
  const track = connection.addTrack(media);
  track.setMediaHandler(new datachannel.RtcpReceivingSession());
  track.onMessage((message) => {
    const packet = Buffer.from(message);
    const stream = streams[packet[1] & 0x7f];
    if (packet.length < 12 || !stream) return;
    stream.take(packet);
    if (stream !== streams[VIDEO]) return;
    stream.measure(packet);
    arrived();
  });
  return track;
});
const events = [];
// Only so that the offer has a section for data: the server opens the channel it tells things by.
connection.createDataChannel("viewer");
connection.onDataChannel((channel) => channel.onMessage((message) => events.push(String(message))));

console.log(JSON.stringify(await watch()));
connection.close();
datachannel.cleanup();

function summary(values) {
  if (values.length === 0) return null;
  const sorted = values.toSorted((a, b) => a - b);
  const at = (part) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))];
  return { count: values.length, min: at(0), p50: at(0.5), p99: at(0.99), max: at(1) };
}

async function watch() {
  const gathered = new Promise((resolve) =>
    connection.onGatheringStateChange((state) => state === "complete" && resolve(undefined)),
  );
  connection.setLocalDescription("offer");
  await gathered;
  const asked_ms = performance.now();
  const response = await fetch(options.url, {
    method: "POST",
    headers: { "content-type": "application/sdp" },
    body: connection.localDescription().sdp,
  });
  const body = await response.text();
  if (response.status !== 201) return { status: response.status, started: false, problem: body };
  connection.setRemoteDescription(body, "answer");
  await Promise.race([first, setTimeout(Number(options.startWithin) * 1000)]);
  const start_ms = performance.now() - asked_ms;
  await setTimeout(Number(options.seconds) * 1000);
  const session = new URL(response.headers.get("location"), options.url);
  const deleted = await fetch(session, { method: "DELETE" });
  const [pictures, sound] = [streams[VIDEO], streams[AUDIO]];
  return {
    status: 201,
    deleted: deleted.status,
    started: pictures.packets > 0,
    start_ms,
    codec: `video/${options.codec}`,
    frames: pictures.timestamps.size,
    media_ms: pictures.duration_ms(90000),
    packets: pictures.packets,
    packets_lost: pictures.lost + sound.lost,
    bytes: pictures.bytes,
    audio_samples: Math.round(sound.duration_ms(48000) * 48),
    audio_packets: sound.packets,
    // What was cached before this viewer came is as old as it is.
    server_ms: summary(pictures.delays.slice(-Number(options.seconds) * 20)),
    tracks_open: tracks.filter((track) => track.isOpen()).length,
    events,
  };
}
