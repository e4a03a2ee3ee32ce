// hls.js behind the Engine interface: its settings for low latency, and what we read from it.
import Hls, {
  type ErrorData,
  type HlsConfig,
  type LevelDetails,
  type LoaderConfig,
  type RetryConfig,
} from "hls.js/light";
import type { Engine, Figures, Level, Listener } from "./engine.ts";
import { BitRateMeter } from "./meters.ts";
import type { Failure } from "./recovery.ts";

// Quick first, then backing off. After the last one the player asks the server from the start.
const RETRY: RetryConfig = {
  maxNumRetry: 4,
  retryDelayMs: 250,
  maxRetryDelayMs: 2000,
  backoff: "exponential",
};

// A blocking playlist request is answered with the next part, so normally within one part
// (250 ms); the server gives up after three target durations (rule D6, 6 s by default).
const PLAYLIST_POLICY: LoaderConfig = {
  maxTimeToFirstByteMs: 9000,
  maxLoadTimeMs: 12_000,
  timeoutRetry: RETRY,
  errorRetry: RETRY,
};

// A part is requested when the playlist names it, so its bytes are ready.
const MEDIA_POLICY: LoaderConfig = {
  maxTimeToFirstByteMs: 5000,
  maxLoadTimeMs: 15_000,
  timeoutRetry: RETRY,
  errorRetry: RETRY,
};

const SETTINGS: Partial<HlsConfig> = {
  lowLatencyMode: true,
  // Fragmented MP4 goes to the browser nearly as it came: a worker would only add a hop (and would
  // need `worker-src` in the policy).
  enableWorker: false,
  // Our own pace keeper does this; see pace.ts.
  maxLiveSyncPlaybackRate: 1,
  // The distance from the live edge is PART-HOLD-BACK. A stall adds to it for a while (caution in
  // pace.ts); hls.js would add a whole second for good.
  liveSyncOnStallIncrease: 0,
  // A live viewer goes back by seconds at most: give the memory of a phone back early.
  backBufferLength: 12,
  maxBufferLength: 12,
  // A missing frame is skipped within a part's time instead of hls.js's default of 1.25 s.
  detectStallWithCurrentTimeMs: 500,
  // A phone does not need more pixels than it has.
  capLevelToPlayerSize: true,
  // The usual first guess of 0.5 Mbit/s would begin each show with the worst picture.
  abrEwmaDefaultEstimate: 3_000_000,
  manifestLoadPolicy: { default: PLAYLIST_POLICY },
  playlistLoadPolicy: { default: PLAYLIST_POLICY },
  fragLoadPolicy: { default: MEDIA_POLICY },
};

/** Whether hls.js can work in this browser. */
export function isSupported(): boolean {
  return Hls.isSupported();
}

/** hls.js at work. */
export class HlsEngine implements Engine {
  readonly name = "hls.js";
  readonly #hls: Hls;
  readonly #listener: Listener;
  readonly #bitRate = new BitRateMeter();
  #details: LevelDetails | null = null;

  constructor(video: HTMLVideoElement, source: string, listener: Listener) {
    this.#listener = listener;
    this.#hls = new Hls(SETTINGS);
    this.#listen();
    this.#hls.loadSource(source);
    this.#hls.attachMedia(video);
  }

  figures(): Figures {
    const hls = this.#hls;
    const details = this.#details;
    const known = details !== null && hls.latency > 0;
    const level = hls.levels[hls.currentLevel];
    return {
      dateMs: hls.playingDate?.getTime() ?? null,
      edgeLatencyS: known ? hls.latency : null,
      targetLatencyS: hls.targetLatency,
      mediaBitsPerS: this.#bitRate.bitsPerS,
      codecs: [level?.videoCodec, level?.audioCodec].filter((codec) => codec).join(", "),
      encoderAway: details !== null && details.live && newestIsGap(details),
      complete: details !== null && !details.live,
    };
  }

  jumpToLive(): void {
    const position = this.#hls.liveSyncPosition;
    const video = this.#hls.media;
    if (position !== null && video !== null) {
      video.currentTime = position;
    }
  }

  choose(level: number): void {
    this.#hls.nextLevel = level;
  }

  playing(): number {
    return this.#hls.currentLevel;
  }

  recoverMedia(): void {
    this.#hls.recoverMediaError();
  }

  destroy(): void {
    this.#hls.destroy();
  }

  #listen(): void {
    const hls = this.#hls;
    hls.on(Hls.Events.MANIFEST_PARSED, (_event, { levels }) => {
      this.#listener.levelsKnown(levels.map(levelOf));
    });
    hls.on(Hls.Events.LEVEL_UPDATED, (_event, { details }) => {
      if (this.#details === null && !details.live) {
        this.#listener.alreadyOver();
      }
      this.#details = details;
    });
    hls.on(Hls.Events.FRAG_LOADED, (_event, { frag, part, payload }) => {
      if (frag.sn !== "initSegment") {
        this.#bitRate.add(payload.byteLength, part?.duration ?? frag.duration);
      }
    });
    hls.on(Hls.Events.ERROR, (_event, data) => {
      this.#listener.failed(failureOf(data), data.fatal);
    });
  }
}

function levelOf(level: { height: number; frameRate: number; bitrate: number }): Level {
  return { height: level.height, frameRate: level.frameRate, bitsPerS: level.bitrate };
}

function newestIsGap(details: LevelDetails): boolean {
  const part = details.partList?.at(-1);
  return part?.gap ?? details.fragments.at(-1)?.gap ?? false;
}

function failureOf(data: ErrorData): Failure {
  const text = [data.type, data.details, data.response?.code].filter((part) => part);
  return { type: data.type, details: data.details, text: text.join(" · ") };
}
