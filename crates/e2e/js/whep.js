// A WHEP viewer in a page: plays and reports what a person would have seen and heard.
import { MarkReader, clockDistance } from "./marks.js";

/** Until then a player may still be finding its delay: latency and offset count from here on. */
const SETTLE_MS = 3000;

const video = /** @type {HTMLVideoElement} */ (document.getElementById("video"));

/**
 * Plays for `seconds` after the first picture. `path` is how: `tcp` uses no UDP candidate of the
 * server, `relay` only the TURN servers the server names, `restart` starts ICE anew half way.
 * @param {{ url: string, seconds: number, startWithin_ms: number, beeps: boolean, path?: string }} options
 */
globalThis.watch = async ({ url, seconds, startWithin_ms, beeps: listening, path }) => {
  const connection = new RTCPeerConnection();
  const events = [];
  // Only so that the offer has a section for data: the server opens the channel it tells things by.
  connection.createDataChannel("viewer");
  connection.ondatachannel = ({ channel }) => {
    channel.onmessage = ({ data }) => events.push(data);
  };
  for (const kind of ["audio", "video"]) connection.addTransceiver(kind, { direction: "recvonly" });
  const stream = new MediaStream();
  connection.ontrack = ({ track }) => stream.addTrack(track);
  video.srcObject = stream;
  const sights = new Sights();
  const beeps = [];

  // Addresses are gathered from the servers known by then: for TURN, after the answer names them.
  const offer = await connection.createOffer();
  if (path !== "relay") await connection.setLocalDescription(offer);
  const asked_ms = performance.now();
  let connected_ms = null;
  connection.onconnectionstatechange = () => {
    if (connection.connectionState === "connected") connected_ms ??= performance.now();
  };
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/sdp" },
    body: offer.sdp,
  });
  const body = await response.text();
  const report = { status: response.status, started: false, events };
  if (response.status !== 201) return { ...report, problem: body };
  if (path === "relay") {
    const iceServers = namedServers(response.headers.get("link"));
    connection.setConfiguration({ iceServers, iceTransportPolicy: "relay" });
    await connection.setLocalDescription(offer);
  }
  const sdp = path === "tcp" ? body.replaceAll(/^a=candidate:\S+ \d udp .*\r\n/gm, "") : body;
  await connection.setRemoteDescription({ type: "answer", sdp });
  video.play().catch((error) => console.log(`play: ${error.message}`));

  await within(startWithin_ms, sights.first);
  const first = await received(connection);
  if (listening && sights.all.length > 0) await listen(stream, beeps);
  const session = new URL(response.headers.get("location"), url);
  const halves = path === "restart" ? 2 : 1;
  await new Promise((resolve) => setTimeout(resolve, (seconds * 1000) / halves));
  if (path === "restart") {
    report.restarted = await restart(connection, session);
    await new Promise((resolve) => setTimeout(resolve, (seconds * 1000) / halves));
  }
  const last = await received(connection);
  report.candidate = await candidate(connection);
  const deleted = await fetch(session, { method: "DELETE" });
  connection.close();
  return {
    ...report,
    ...difference(first, last),
    deleted: deleted.status,
    started: sights.all.length > 0,
    connected_ms: connected_ms && connected_ms - asked_ms,
    start_ms: sights.all.length > 0 ? sights.all[0].at_ms - asked_ms : null,
    ...sights.report(beeps),
  };
};

/** What was seen, picture by picture. */
class Sights {
  constructor() {
    this.all = [];
    this.reader = new MarkReader();
    this.first = new Promise((resolve) => {
      this.resolve = resolve;
    });
    video.requestVideoFrameCallback((now, metadata) => this.take(now, metadata));
  }

  take(_, { expectedDisplayTime, presentationTime, rtpTimestamp, width, height }) {
    video.requestVideoFrameCallback((now, metadata) => this.take(now, metadata));
    const { clock_ms, lit } = this.reader.read(video);
    // Chromium may name a time to display that has passed when the picture comes late.
    const at_ms = Math.max(expectedDisplayTime, presentationTime);
    // The wall clock at that moment, whatever became of it since the page was opened.
    const wall_ms = Date.now() + at_ms - performance.now();
    const latency_ms = clock_ms === null ? null : clockDistance(clock_ms, wall_ms);
    this.all.push({ at_ms, lit, latency_ms, rtpTimestamp, width, height });
    this.resolve(undefined);
  }

  report(beeps) {
    const [first, last] = [this.all[0], this.all.at(-1)];
    if (!first) return {};
    const settled = this.all.filter(({ at_ms }) => at_ms - first.at_ms >= SETTLE_MS);
    const latencies = settled.map(({ latency_ms }) => latency_ms).filter((ms) => ms !== null);
    const offsets = [];
    for (let index = 1; index < settled.length; index++) {
      if (!settled[index].lit || settled[index - 1].lit) continue;
      const flash = settled[index].at_ms;
      const distances = beeps.map((beep) => beep - flash).sort((a, b) => Math.abs(a) - Math.abs(b));
      if (distances.length > 0 && Math.abs(distances[0]) < 500) offsets.push(distances[0]);
    }
    return {
      shown: this.all.length,
      // Media time is what was published; the wall would blame a busy machine on the server.
      media_ms: (((last.rtpTimestamp - first.rtpTimestamp) >>> 0) / 90000) * 1000 || null,
      widths: [...new Set(this.all.map(({ width }) => width))],
      width: last.width,
      height: last.height,
      latency_first_ms: first.latency_ms,
      latency_ms: summary(latencies),
      av_offset_ms: summary(offsets),
    };
  }
}

/** Hears when beeps begin, on the clock of `performance.now()`. */
async function listen(stream, beeps) {
  const context = new AudioContext({ sampleRate: 48000 });
  await context.audioWorklet.addModule("./onset.js");
  const onset = new AudioWorkletNode(context, "onset");
  onset.port.onmessage = ({ data }) => {
    const { contextTime, performanceTime } = context.getOutputTimestamp();
    beeps.push(performanceTime + (data - contextTime) * 1000);
  };
  const silence = context.createGain();
  silence.gain.value = 0;
  context.createMediaStreamSource(stream).connect(onset).connect(silence);
  silence.connect(context.destination);
  await context.resume();
}

/** The numbers of the two streams that come in. */
async function received(connection) {
  const stats = await connection.getStats();
  const entries = [...stats.values()].filter(({ type }) => type === "inbound-rtp");
  const codec = (entry) => stats.get(entry?.codecId)?.mimeType ?? null;
  const pictures = entries.find(({ kind }) => kind === "video") ?? {};
  const sound = entries.find(({ kind }) => kind === "audio") ?? {};
  return { pictures, sound, codec: codec(pictures), audio_codec: codec(sound) };
}

/** The servers of Link headers, joined by commas as a browser gives them. */
function namedServers(links) {
  const named = (links ?? "").split(/,\s*(?=<)/).filter((link) => link.includes('rel="ice-server"'));
  return named.map((link) => ({
    urls: link.match(/<([^>]*)>/)?.[1],
    username: link.match(/username="([^"]*)"/)?.[1],
    credential: link.match(/credential="([^"]*)"/)?.[1],
  }));
}

/** Starts ICE anew. Gives the status of the answer. */
async function restart(connection, session) {
  const offer = await connection.createOffer({ iceRestart: true });
  const credentials = (sdp) => ["ufrag", "pwd"].map((name) => sdp.match(`a=ice-${name}:.*\r\n`)[0]);
  const media = offer.sdp.match(/m=.*\r\n/)[0] + offer.sdp.match(/a=mid:.*\r\n/)[0];
  const response = await fetch(session, {
    method: "PATCH",
    headers: { "content-type": "application/trickle-ice-sdpfrag", "if-match": "*" },
    body: credentials(offer.sdp).join("") + media,
  });
  const answer = await response.text();
  if (response.status !== 200) return response.status;
  await connection.setLocalDescription(offer);
  let { sdp } = connection.remoteDescription;
  const [before, now] = [credentials(sdp), credentials(answer)];
  for (const index of [0, 1]) sdp = sdp.replaceAll(before[index], now[index]);
  await connection.setRemoteDescription({ type: "answer", sdp });
  return response.status;
}

/** This side of the path that media takes: type, protocol, and whose name it goes by. */
async function candidate(connection) {
  const stats = await connection.getStats();
  const transport = [...stats.values()].find(({ type }) => type === "transport");
  const pair = stats.get(transport?.selectedCandidatePairId);
  const { candidateType, protocol, address, usernameFragment } = stats.get(pair?.localCandidateId) ?? {};
  const isNew = connection.localDescription.sdp.includes(`a=ice-ufrag:${usernameFragment}`);
  return `${candidateType} ${protocol} ${address} ${isNew ? "current" : "old"}`;
}

function difference(first, last) {
  const grown = (medium, name) => (last[medium][name] ?? 0) - (first[medium][name] ?? 0);
  const buffered = grown("pictures", "jitterBufferEmittedCount");
  return {
    codec: last.codec,
    audio_codec: last.audio_codec,
    frames: grown("pictures", "framesDecoded"),
    dropped: grown("pictures", "framesDropped"),
    keyframes: grown("pictures", "keyFramesDecoded"),
    freezes: grown("pictures", "freezeCount"),
    frozen_ms: Math.round(grown("pictures", "totalFreezesDuration") * 1000),
    packets_lost: grown("pictures", "packetsLost") + grown("sound", "packetsLost"),
    nacks: grown("pictures", "nackCount"),
    plis: grown("pictures", "pliCount"),
    jitter_buffer_ms:
      buffered > 0 ? (grown("pictures", "jitterBufferDelay") / buffered) * 1000 : null,
    audio_samples: grown("sound", "totalSamplesReceived"),
    audio_concealed: grown("sound", "concealedSamples"),
    audio_energy: grown("sound", "totalAudioEnergy"),
  };
}

function summary(values) {
  if (values.length === 0) return null;
  const sorted = values.toSorted((a, b) => a - b);
  const at = (part) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))];
  return { count: values.length, min: at(0), p50: at(0.5), p99: at(0.99), max: at(1) };
}

function within(limit_ms, promise) {
  return Promise.race([promise, new Promise((resolve) => setTimeout(resolve, limit_ms))]);
}
