// The test player: plays what the page's query names and reports what a viewer would have seen.

const query = new URLSearchParams(location.search);
const video = /** @type {HTMLVideoElement} */ (document.getElementById("video"));

/** How often delay and position are looked at. */
const SAMPLE_MS = 100;

const errors = [];
const fatal = [];
const stalls = [];
let playing = false;
let firstPosition = 0;
let hls = null;

video.addEventListener("playing", () => {
  if (!playing) firstPosition = video.currentTime;
  playing = true;
});
// Once the picture has moved, waiting for data is a stall.
video.addEventListener("waiting", () => {
  if (playing && video.currentTime > firstPosition) stalls.push(describeStall());
});
video.addEventListener("error", () => fatal.push(`media: ${video.error?.code} ${video.error?.message}`));

function startHlsJs() {
  // Default settings: what a site gets that just uses it.
  hls = new Hls({ lowLatencyMode: true });
  hls.on(Hls.Events.ERROR, (_, data) => {
    const text = [data.type, data.details, data.reason, data.error?.message, data.response?.code];
    errors.push(text.filter(Boolean).join(" "));
    if (data.fatal) fatal.push(data.details);
  });
  hls.on(Hls.Events.MANIFEST_PARSED, () => video.play());
  hls.loadSource(query.get("url"));
  hls.attachMedia(video);
}

function startNative() {
  video.src = query.get("url");
  video.play().catch((error) => fatal.push(`play: ${error.message}`));
}

/** Where and with what in the buffer the picture stood still. */
function describeStall() {
  const ranges = Array.from({ length: video.buffered.length }, (_, index) =>
    [video.buffered.start(index), video.buffered.end(index)].map((time) => time.toFixed(3)),
  );
  return `at ${video.currentTime.toFixed(3)}, buffered ${JSON.stringify(ranges)}`;
}

/** Milliseconds from the moment the picture on screen entered the server until now. */
function delayMs() {
  const date = hls?.playingDate ?? null;
  return date ? Date.now() - date.getTime() : null;
}

const frames = () => video.getVideoPlaybackQuality().totalVideoFrames;

function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted.length ? sorted[Math.floor(sorted.length / 2)] : null;
}

/** Resolves when `done` is true or the time is over; tells which. */
function waitFor(done, withinMs, each = () => {}) {
  const started = performance.now();
  return new Promise((resolve) => {
    const timer = setInterval(() => {
      each();
      const over = performance.now() - started > withinMs;
      if (!done() && !over) return;
      clearInterval(timer);
      resolve(!over);
    }, SAMPLE_MS);
  });
}

/**
 * Plays for `seconds` from the first picture on.
 * @param {number} startWithin seconds the first picture may take
 * @param {number} seconds
 */
async function play(startWithin, seconds) {
  const opened = performance.now();
  query.get("engine") === "native" ? startNative() : startHlsJs();
  const isUp = () => playing && video.currentTime > 0 && video.readyState >= 2;
  const started = await waitFor(() => isUp() || fatal.length > 0, startWithin * 1000);
  const startMs = performance.now() - opened;
  const first = { frames: frames(), position: video.currentTime };
  const delays = [];
  const latencies = [];
  const sample = () => {
    const delay = delayMs();
    if (delay !== null) delays.push(delay);
    if (hls?.latency) latencies.push(hls.latency * 1000);
  };
  if (started && fatal.length === 0) {
    await waitFor(() => fatal.length > 0 || video.ended, seconds * 1000, sample);
  }
  const sound = video.webkitAudioDecodedByteCount ?? null;
  return {
    started: started && fatal.length === 0,
    start_ms: Math.round(startMs),
    frames: frames() - first.frames,
    dropped: video.getVideoPlaybackQuality().droppedVideoFrames,
    played_ms: Math.round((video.currentTime - first.position) * 1000),
    width: video.videoWidth,
    height: video.videoHeight,
    stalls,
    delay_ms: delays.length ? Math.round(median(delays)) : null,
    delay_max_ms: delays.length ? Math.round(Math.max(...delays)) : null,
    latency_ms: latencies.length ? Math.round(median(latencies)) : null,
    target_latency_ms: hls?.targetLatency ? Math.round(hls.targetLatency * 1000) : null,
    sound_bytes: sound,
    has_sound: sound === null ? Boolean(video.mozHasAudio ?? true) : sound > 0,
    ended: video.ended,
    levels: hls ? hls.levels.length : null,
    errors,
    fatal,
  };
}

globalThis.play = play;
