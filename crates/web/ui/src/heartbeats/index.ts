// Watch time on other people's pages too: opens a playback session, and tells the server what a
// <video> of it really rendered. How to use it: the README of this crate.
import { Outbox } from "./outbox.ts";
import { Ranges } from "./ranges.ts";

export { rtpClock } from "./rtp-clock.ts";

export interface SessionOptions {
  /** Where the server is, without a slash at the end: `https://live.example`, or "" for this site. */
  server?: string;
  /** Whose show. */
  handle: string;
  /**
   * Who watches: a token the shop signed, or any name that stays the same. Left out, the server gives
   * this browser a token, which is kept in its storage.
   */
  viewer?: string;
}

/** A playback session of one show. */
export interface Session {
  /** The show's id. */
  readonly show: string;
  /** What was, or is to be, sent as `viewer`. */
  readonly viewer: string;
  /** What HLS players open. */
  readonly hls: string;
  /** What WHEP players open. */
  readonly whep: string;
  /**
   * Whether the session earns nothing any more: another one took the viewer's token, or it was away
   * for too long. A new session has new play URLs.
   */
  readonly isOver: boolean;
  /**
   * Sends heartbeats of `video` until the function it gives is called, which resolves when the last
   * ones were sent. `mediaMs` tells the time of the picture shown on the EXT-X-PROGRAM-DATE-TIME
   * axis, or `null` where it is not known.
   */
  attest(video: HTMLVideoElement, mediaMs: () => number | null): () => Promise<void>;
}

interface Answer {
  token: string;
  show: string;
  viewer: string;
  hls: string;
  whep: string;
  heartbeats: string;
  heartbeat_interval_ms: number;
}

const STORED_AS = "tally-viewer";

// A request that got no answer must not keep the next from trying. Less than an interval.
const ANSWER_WITHIN_MS = 8000;

// A token lives for 15 minutes and is renewed by any request: one that pauses sends these as well.
const SILENT_MS_MAX = 240_000;

const VIDEO_EVENTS =
  "timeupdate playing pause waiting seeking seeked ended ratechange volumechange emptied " +
  "enterpictureinpicture leavepictureinpicture webkitpresentationmodechanged";

/** Opens a session. Rejects when there is no such show, or the viewer may not see it. */
export async function openSession({ server = "", handle, viewer }: SessionOptions): Promise<Session> {
  const ask = (viewer: string | null): Promise<Response> =>
    post(`${server}/api/v1/live/${encodeURIComponent(handle)}/sessions`, JSON.stringify({ viewer }));
  let response = await ask(viewer ?? stored());
  if (response.status === 401 && viewer === undefined) {
    response = await ask(null); // What was stored is of another server, or too old.
  }
  // From when the server had surely begun to count: a clock that lags is never in the future.
  const originMs = performance.now();
  if (!response.ok) {
    throw new Error(`no playback session: ${response.status}`);
  }
  const answer = (await response.json()) as Answer;
  if (viewer === undefined) {
    store(answer.viewer);
  }
  const url = server + answer.heartbeats;
  const outbox = new Outbox(answer.token, async (body) => {
    const response = await post(url, body);
    return { status: response.status, ...(response.ok && { answer: await response.json() }) };
  });
  return {
    show: answer.show,
    viewer: answer.viewer,
    hls: server + answer.hls,
    whep: server + answer.whep,
    get isOver() {
      return outbox.isOver;
    },
    attest: (video, mediaMs) =>
      attest(video, mediaMs, outbox, { url, originMs, intervalMs: answer.heartbeat_interval_ms }),
  };
}

interface Pace {
  url: string;
  originMs: number;
  intervalMs: number;
}

function attest(
  video: HTMLVideoElement,
  mediaMs: () => number | null,
  outbox: Outbox,
  { url, originMs, intervalMs }: Pace,
): () => Promise<void> {
  const stopped = new AbortController();
  let sentAtMs = performance.now();
  let leaving = false;
  const flush = (): Promise<void> => {
    sentAtMs = performance.now();
    return outbox.flush();
  };
  const ranges = new Ranges(intervalMs, (stretch) => {
    outbox.add(stretch);
    if (!leaving) {
      void flush();
    }
  });
  let last = { positionS: 0, mediaMs: null as number | null };
  // The position is the new one as soon as a seek begins: where the picture was until then, the
  // browser's own record tells.
  const mediaNowMs = (): number | null => {
    if (!video.seeking) {
      last = { positionS: video.currentTime, mediaMs: mediaMs() };
    }
    const playedS = video.seeking ? playedUntil(video, last.positionS) - last.positionS : 0;
    return last.mediaMs === null ? null : last.mediaMs + playedS * 1000;
  };
  const look = (): void =>
    ranges.look({
      clockMs: performance.now() - originMs,
      mediaMs: mediaNowMs(),
      rendering: !video.seeking && !video.paused && !video.ended && video.readyState > 2,
      rate: video.playbackRate,
      visible: document.visibilityState === "visible",
      pip: isInPicture(video),
      audible: !video.muted && video.volume > 0,
    });
  const cut = (): void => {
    look();
    ranges.cut();
  };
  const leave = (): void => {
    leaving = true;
    cut();
    leaving = false;
    if (!outbox.isEmpty) {
      navigator.sendBeacon(url, outbox.body());
    }
  };
  const listen = (target: EventTarget, names: string, listener: () => void): void => {
    for (const name of names.split(" ")) {
      target.addEventListener(name, listener, { signal: stopped.signal });
    }
  };
  listen(video, VIDEO_EVENTS, look);
  listen(document, "visibilitychange", look);
  listen(window, "pagehide", leave);
  listen(window, "online", flush);
  const timer = setInterval(() => {
    look();
    if (!outbox.isEmpty || performance.now() - sentAtMs > SILENT_MS_MAX) {
      void flush();
    }
  }, intervalMs);
  look();
  return async () => {
    clearInterval(timer);
    stopped.abort();
    cut();
    // A request that is under way may have left before the last stretch.
    await flush();
    await flush();
  };
}

function playedUntil({ played }: HTMLVideoElement, positionS: number): number {
  let endS = positionS;
  for (let index = 0; index < played.length; index += 1) {
    if (played.start(index) <= positionS && positionS <= played.end(index)) {
      endS = played.end(index);
    }
  }
  return endS;
}

// As text: a request that needs no preflight from other sites. It outlives its page.
function post(url: string, body: string): Promise<Response> {
  const signal = AbortSignal.timeout(ANSWER_WITHIN_MS);
  return fetch(url, { method: "POST", body, keepalive: true, signal });
}

function isInPicture(video: HTMLVideoElement & { webkitPresentationMode?: string }): boolean {
  const isStandard = document.pictureInPictureElement === video;
  return isStandard || video.webkitPresentationMode === "picture-in-picture";
}

// Pages may be forbidden to store anything.
function stored(): string | null {
  try {
    return localStorage.getItem(STORED_AS);
  } catch {
    return null;
  }
}

function store(viewer: string): void {
  try {
    localStorage.setItem(STORED_AS, viewer);
  } catch {
    // The next visit is another viewer's.
  }
}
