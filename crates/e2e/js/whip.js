// A WHIP publisher in a page: pictures from a canvas and sound from an oscillator, with marks.
import { BEEP_HZ, MARK_MS, drawClock, drawFlash } from "./marks.js";

const WIDTH = 640;
const HEIGHT = 360;
const FRAMES_PER_SECOND = 30;

/** A hum under the beeps, so that there is always sound. */
const HUM = { hz: 440, gain: 0.02 };
const BEEP_GAIN = 0.5;

let connection = null;
let session = null;
let connected_ms = 0;

/**
 * Publishes until `unpublish`; with a fake microphone's tone instead of beeps where asked.
 * @param {{ url: string, token?: string, codec?: string, layers: number, beeps: boolean }} options
 */
globalThis.publish = async ({ url, token, codec, layers, beeps }) => {
  const sound = beeps ? await beeping() : await navigator.mediaDevices.getUserMedia({ audio: true });
  const stream = new MediaStream([...pictures().getTracks(), ...sound.getTracks()]);
  connection = new RTCPeerConnection();
  const [video] = stream.getVideoTracks();
  const [audio] = stream.getAudioTracks();
  connection.addTransceiver(audio, { direction: "sendonly", streams: [stream] });
  const sendEncodings = Array.from({ length: layers > 1 ? layers : 0 }, (_, index) => ({
    rid: `layer${index}`,
    scaleResolutionDownBy: 2 ** index,
  }));
  const transceiver = connection.addTransceiver(video, {
    direction: "sendonly",
    streams: [stream],
    ...(sendEncodings.length > 0 && { sendEncodings }),
  });
  if (codec) prefer(transceiver, codec);
  await connection.setLocalDescription();
  const headers = { "content-type": "application/sdp" };
  if (token) headers.authorization = `Bearer ${token}`;
  const response = await fetch(url, {
    method: "POST",
    headers,
    body: connection.localDescription.sdp,
  });
  const body = await response.text();
  if (response.status !== 201) return { status: response.status, problem: body };
  session = { url: new URL(response.headers.get("location"), url), token };
  await connection.setRemoteDescription({ type: "answer", sdp: body });
  await connected(connection);
  connected_ms = performance.now();
  return { status: 201 };
};

/** Ends the session as a creator does. Gives what was sent. */
globalThis.unpublish = async () => {
  const layers = [];
  let audio_packets = 0;
  const stats = await connection.getStats();
  for (const entry of stats.values()) {
    if (entry.type !== "outbound-rtp") continue;
    if (entry.kind === "audio") audio_packets = entry.packetsSent;
    if (entry.kind === "audio") continue;
    const { rid, framesEncoded, frameWidth, pliCount, nackCount, codecId } = entry;
    const codec = stats.get(codecId)?.mimeType;
    const framesPerSecond = (framesEncoded * 1000) / (performance.now() - connected_ms);
    layers.push({ rid, framesEncoded, framesPerSecond, frameWidth, pliCount, nackCount, codec });
  }
  const headers = session.token ? { authorization: `Bearer ${session.token}` } : {};
  const response = await fetch(session.url, { method: "DELETE", headers });
  connection.close();
  return { deleted: response.status, audio_packets, layers };
};

/** A canvas redrawn with the marks and something that moves. */
function pictures() {
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width: WIDTH, height: HEIGHT });
  const context = canvas.getContext("2d");
  const draw = () => {
    const now_ms = Date.now();
    context.fillStyle = `hsl(${(now_ms / 20) % 360} 50% 40%)`;
    context.fillRect(0, 0, WIDTH, HEIGHT);
    context.fillStyle = "#888";
    context.fillRect((now_ms / 4) % WIDTH, HEIGHT / 3, 80, 80);
    drawFlash(context, WIDTH, HEIGHT, now_ms % 1000 < MARK_MS);
    drawClock(context, WIDTH, HEIGHT, now_ms);
  };
  draw();
  setInterval(draw, 1000 / FRAMES_PER_SECOND);
  return canvas.captureStream(FRAMES_PER_SECOND);
}

/** A hum, and a beep as long as each flash is lit. */
async function beeping() {
  const sound = new AudioContext({ sampleRate: 48000, sinkId: { type: "none" } });
  await sound.resume();
  const output = sound.createMediaStreamDestination();
  const tone = (hz, level) => {
    const [oscillator, gain] = [sound.createOscillator(), sound.createGain()];
    oscillator.frequency.value = hz;
    gain.gain.value = level;
    oscillator.connect(gain).connect(output);
    oscillator.start();
    return gain.gain;
  };
  tone(HUM.hz, HUM.gain);
  const beep = tone(BEEP_HZ, 0);
  let scheduled = 0;
  setInterval(() => {
    const now_ms = Date.now();
    const second = Math.ceil(now_ms / 1000);
    if (second === scheduled) return;
    scheduled = second;
    const at = sound.currentTime + (second * 1000 - now_ms) / 1000;
    beep.setValueAtTime(BEEP_GAIN, at);
    beep.setValueAtTime(0, at + MARK_MS / 1000);
  }, 100);
  return output.stream;
}

function prefer(transceiver, codec) {
  const { codecs } = RTCRtpSender.getCapabilities("video");
  const wanted = new RegExp(`/(${codec}|rtx)$`, "i");
  transceiver.setCodecPreferences(codecs.filter(({ mimeType }) => wanted.test(mimeType)));
}

function connected(connection) {
  return new Promise((resolve, reject) => {
    const look = () => {
      if (connection.connectionState === "connected") resolve(undefined);
      if (connection.connectionState === "failed") reject(new Error("the connection failed"));
    };
    connection.addEventListener("connectionstatechange", look);
    look();
  });
}
