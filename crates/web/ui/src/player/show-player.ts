// Finds a show, plays it, gets over what goes wrong, and knows how it is going. No markup here:
// element.ts shows what this knows.
import type { Engine, Figures, Level, Listener } from "./engine.ts";
import { shownLatencyS } from "./format.ts";
import { type Answer, askForShow, pauseMs } from "./lookup.ts";
import { FrameMeter, StallMeter } from "./meters.ts";
import * as native from "./native-engine.ts";
import { Caution, paceOf } from "./pace.ts";
import { type Failure, Recovery } from "./recovery.ts";
import { type Facts, type Reason, type State, stateOf } from "./state.ts";
import { Ticket } from "./ticket.ts";

/** Everything the page, the statistics panel and the tests can read. */
export interface Stats {
  state: State;
  reason: Reason;
  engine: "" | "hls.js" | "native";
  paused: boolean;
  /** Time of day now minus that of the picture; `null` before there is one. */
  latencyMs: number | null;
  /** Distance to the newest media that the playlist names. */
  edgeLatencyMs: number | null;
  targetLatencyMs: number | null;
  bufferedMs: number;
  rate: number;
  width: number;
  height: number;
  mediaBitsPerS: number;
  /** Codecs of what plays; empty before anything does. */
  codecs: string;
  /** Codecs of all the show's renditions, also where none of them can play. */
  sentAs: string[];
  frames: number;
  droppedFrames: number;
  stalls: number;
  /** Failures reported by the engine, mended ones included. */
  errors: number;
  fatalErrors: number;
  lastError: string;
}

// Often enough for the pace and for a latency that reads as live; cheap enough for a phone.
const LOOK_EVERY_MS = 250;

// A picture that has only just begun to move may be moved on without anyone noticing.
const FRESH_FOR_MS = 1000;

// The engine should have helped itself by now (it retries within two seconds): begin anew.
const STUCK_AFTER_MS = 6000;

// A jump needs a moment to load its picture before it can be judged.
const JUMPS_APART_MS = 3000;

/** One `<video>` kept on one creator's shows. */
export class ShowPlayer {
  levels: Level[] = [];
  /** Called a few times a second, after each look. */
  onLook: (stats: Stats) => void = () => {};

  readonly #video: HTMLVideoElement;
  readonly #source: string;
  readonly #ticket: Ticket;
  readonly #preferNative: boolean;
  readonly #frames = new FrameMeter();
  readonly #stalls = new StallMeter();
  readonly #caution = new Caution();
  readonly #facts: Facts = {
    phase: "asking",
    reason: "",
    seen: false,
    stalledMs: 0,
    encoderAway: false,
  };
  #recovery = new Recovery();
  #engine: Engine | null = null;
  #figures: Figures | null = null;
  #show = "";
  #sentAs: string[] = [];
  #overShow = "";
  #errors = { count: 0, fatal: 0, last: "" };
  #userPaused = false;
  #jumpedAtMs = Number.NEGATIVE_INFINITY;
  // When the picture began to move, at first or after a stop that anyone noticed; 0 before.
  #movingSinceMs = 0;
  #pictureS = 0;
  // When there was last no reason to expect the picture to move, or it moved.
  #excusedAtMs = 0;
  // Failures in a row without a picture in between: the next search waits the longer.
  #fruitless = 0;
  #timer = 0;
  // Each start of a search ends the one before: it carries the number it was started with.
  #search = 0;
  #wake: () => void = () => {};

  constructor(video: HTMLVideoElement, source: string, preferNative: boolean) {
    this.#video = video;
    this.#source = source;
    this.#ticket = new Ticket(source);
    this.#preferNative = preferNative;
  }

  /** Begins; `stop` ends it. */
  start(): void {
    document.addEventListener("visibilitychange", this.#onReturn);
    window.addEventListener("online", this.#onReturn);
    this.#timer = window.setInterval(() => this.#look(), LOOK_EVERY_MS);
    this.#ask("");
  }

  stop(): void {
    document.removeEventListener("visibilitychange", this.#onReturn);
    window.removeEventListener("online", this.#onReturn);
    window.clearInterval(this.#timer);
    this.#search += 1;
    this.#wake();
    this.#release();
  }

  /** A person asks to try again after a failure. */
  retry(): void {
    this.#recovery = new Recovery();
    this.#userPaused = false;
    this.#ask("");
  }

  /** Plays from the live edge: what was missed during a pause is not live any more. */
  play(): void {
    this.#userPaused = false;
    this.jumpToLive();
    void this.#startVideo();
  }

  pause(): void {
    this.#userPaused = true;
    this.#video.pause();
  }

  jumpToLive(): void {
    this.#jumpedAtMs = performance.now();
    this.#stalls.excuse();
    this.#engine?.jumpToLive();
  }

  /** Chooses a level by hand; -1 leaves the choice to the engine. */
  choose(level: number): void {
    this.#engine?.choose(level);
  }

  /** The level that plays now, or -1. */
  playingLevel(): number {
    return this.#engine?.playing() ?? -1;
  }

  stats(): Stats {
    const video = this.#video;
    const figures = this.#figures;
    const dateS = figures?.dateMs == null ? null : (Date.now() - figures.dateMs) / 1000;
    const edgeS = figures?.edgeLatencyS ?? null;
    return {
      ...stateOf(this.#facts),
      engine: this.#engine?.name ?? "",
      paused: video.paused,
      latencyMs: milliseconds(this.#facts.seen ? shownLatencyS(dateS, edgeS) : null),
      edgeLatencyMs: milliseconds(edgeS),
      targetLatencyMs: milliseconds(this.#targetLatencyS()),
      bufferedMs: Math.round(this.#bufferedS() * 1000),
      rate: video.playbackRate,
      width: video.videoWidth,
      height: video.videoHeight,
      mediaBitsPerS: figures?.mediaBitsPerS ?? 0,
      codecs: figures?.codecs ?? "",
      sentAs: this.#sentAs,
      frames: this.#frames.total,
      droppedFrames: this.#frames.dropped,
      stalls: this.#stalls.count,
      errors: this.#errors.count,
      fatalErrors: this.#errors.fatal,
      lastError: this.#errors.last,
    };
  }

  // Asks until there is a show to play. Keeps the phase "ended" while it asks for the next one.
  #ask(reason: Reason): void {
    this.#release();
    this.#facts.phase = "asking";
    this.#facts.reason = reason;
    void this.#askUntilFound();
  }

  async #askUntilFound(): Promise<void> {
    this.#search += 1;
    const search = this.#search;
    if (this.#fruitless > 1) {
      await this.#sleep(pauseMs(this.#fruitless, document.hidden, Math.random()));
    }
    for (let attempt = 0; search === this.#search; attempt += 1) {
      const answer = await askForShow(this.#source);
      if (search !== this.#search || this.#settled(answer)) {
        return;
      }
      await this.#sleep(pauseMs(attempt, document.hidden, Math.random()));
    }
  }

  /** Acts on an answer; false when the server is to be asked again. */
  #settled(answer: Answer): boolean {
    if (answer.kind === "refused") {
      this.#fail("refused");
      return true;
    }
    if (answer.kind === "show") {
      if (answer.show === this.#overShow) {
        this.#facts.phase = "ended";
        return false;
      }
      this.#sentAs = answer.codecs;
      void this.#begin(answer.show);
      return true;
    }
    if (this.#facts.seen && answer.reason === "not-live") {
      this.#facts.phase = "ended";
    }
    this.#facts.reason = answer.reason;
    return false;
  }

  async #begin(show: string): Promise<void> {
    const search = this.#search;
    this.#facts.phase = "playing";
    this.#facts.reason = "";
    this.#facts.stalledMs = 0;
    if (show !== this.#show) {
      this.#show = show;
      this.#facts.seen = false;
    }
    const engine = await this.#makeEngine(await this.#ticket.sourceFor(show));
    if (search !== this.#search) {
      engine?.destroy();
      return;
    }
    if (engine === null) {
      this.#fail("unsupported");
      return;
    }
    this.#engine = engine;
    this.#ticket.attest(this.#video, () => engine.figures().dateMs);
    if (!this.#userPaused) {
      void this.#startVideo();
    }
  }

  // hls.js first: it keeps a second of distance where browsers' own players keep several. It is
  // loaded only here, so that browsers without Media Source Extensions never fetch it.
  async #makeEngine(source: string): Promise<Engine | null> {
    const nativeWorks = native.isSupported(this.#video);
    const mediaSource = "MediaSource" in window || "ManagedMediaSource" in window;
    if (mediaSource && !(this.#preferNative && nativeWorks)) {
      const hls = await import("./hls-engine.ts");
      if (hls.isSupported()) {
        return new hls.HlsEngine(this.#video, source, this.#listener);
      }
    }
    return nativeWorks ? new native.NativeEngine(this.#video, source, this.#listener) : null;
  }

  readonly #listener: Listener = {
    alreadyOver: () => this.#end(),
    levelsKnown: (levels) => {
      this.levels = levels;
    },
    failed: (failure, fatal) => this.#onFailure(failure, fatal),
  };

  #onFailure(failure: Failure, fatal: boolean): void {
    this.#errors.count += 1;
    this.#errors.last = failure.text;
    if (!fatal) {
      return;
    }
    this.#errors.fatal += 1;
    const remedy = this.#recovery.choose(failure, performance.now());
    switch (remedy.kind) {
      case "ask-again":
        this.#fruitless += 1;
        return this.#ask("server-unreachable");
      case "recover-media":
        this.#engine?.recoverMedia();
        return void this.#startVideo();
      case "rebuild":
        this.#release();
        return void this.#begin(this.#show);
      case "give-up":
        return this.#fail(remedy.reason);
    }
  }

  async #startVideo(): Promise<void> {
    try {
      await this.#video.play();
    } catch (error) {
      const refused = error instanceof DOMException && error.name === "NotAllowedError";
      if (refused && !this.#video.muted) {
        // Browsers let a page start silent pictures only, until a person touches it.
        this.#video.muted = true;
        await this.#video.play().catch(() => {});
      }
    }
  }

  #look(): void {
    const nowMs = performance.now();
    const before = stateOf(this.#facts).state;
    this.#figures = this.#engine?.figures() ?? null;
    const begun = this.#engine !== null && this.#video.played.length > 0;
    this.#measure(begun, nowMs);
    if (before !== "live" && stateOf(this.#facts).state === "live") {
      this.#movingSinceMs = nowMs;
    }
    const over = this.#figures?.complete === true && begun;
    if (over && (this.#video.ended || this.#facts.stalledMs > LOOK_EVERY_MS)) {
      this.#end();
    } else if (this.#isStuck(nowMs)) {
      this.#onFailure({ type: "stuck", details: "", text: "no picture, and no error" }, true);
    } else if (begun) {
      this.#keepPace(nowMs);
    }
    this.onLook(this.stats());
  }

  #isStuck(nowMs: number): boolean {
    const { phase, stalledMs } = this.#facts;
    if (phase !== "playing" || stalledMs === 0 || this.#figures?.encoderAway) {
      this.#excusedAtMs = nowMs;
    }
    const stuck = nowMs - this.#excusedAtMs > STUCK_AFTER_MS;
    this.#excusedAtMs = stuck ? nowMs : this.#excusedAtMs;
    return stuck;
  }

  #measure(begun: boolean, nowMs: number): void {
    const video = this.#video;
    const facts = this.#facts;
    const quality = video.getVideoPlaybackQuality?.();
    if (quality !== undefined) {
      this.#frames.read(quality.totalVideoFrames, quality.droppedVideoFrames);
    }
    facts.seen ||= begun;
    this.#fruitless = begun ? 0 : this.#fruitless;
    // While a jump loads its picture, the position is new already but the picture still stands.
    this.#pictureS = video.seeking ? this.#pictureS : video.currentTime;
    const stallsBefore = this.#stalls.count;
    facts.stalledMs = this.#stalls.look(this.#pictureS, begun && !video.paused, nowMs);
    // Back in the playlist is not back on the screen: the reason stands until the picture moves.
    const awayNow = this.#figures?.encoderAway ?? false;
    facts.encoderAway = awayNow || (facts.encoderAway && facts.stalledMs > 0);
    if (this.#stalls.count > stallsBefore && !facts.encoderAway) {
      this.#caution.stalled(nowMs);
    }
  }

  #keepPace(nowMs: number): void {
    const { edgeLatencyS, complete, encoderAway } = this.#figures ?? {};
    const targetLatencyS = this.#targetLatencyS();
    const known = edgeLatencyS != null && targetLatencyS !== null;
    // Without new media the live edge is an empty place: nothing to catch up with.
    if (!known || this.#video.paused || complete || encoderAway) {
      return;
    }
    const fresh = nowMs - this.#movingSinceMs < FRESH_FOR_MS;
    const pace = paceOf({
      latencyS: edgeLatencyS,
      targetS: targetLatencyS,
      bufferedS: this.#bufferedS(),
      fresh,
      stalledS: this.#facts.stalledMs / 1000,
    });
    if (pace.jump && (fresh || nowMs - this.#jumpedAtMs > JUMPS_APART_MS)) {
      this.jumpToLive();
    }
    if (this.#video.playbackRate !== pace.rate) {
      this.#video.playbackRate = pace.rate;
    }
  }

  #targetLatencyS(): number | null {
    const wantedS = this.#figures?.targetLatencyS ?? null;
    return wantedS === null ? null : wantedS + this.#caution.extraS(performance.now());
  }

  #bufferedS(): number {
    const { buffered, currentTime } = this.#video;
    for (let index = 0; index < buffered.length; index += 1) {
      if (buffered.start(index) <= currentTime && currentTime <= buffered.end(index)) {
        return buffered.end(index) - currentTime;
      }
    }
    return 0;
  }

  #end(): void {
    this.#release();
    this.#overShow = this.#show;
    this.#facts.phase = "ended";
    void this.#askUntilFound();
  }

  #fail(reason: Reason): void {
    this.#search += 1;
    this.#release();
    this.#facts.phase = "failed";
    this.#facts.reason = reason;
  }

  #release(): void {
    this.#ticket.rest();
    this.#engine?.destroy();
    this.#engine = null;
    this.#video.playbackRate = 1;
  }

  #sleep(durationMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, durationMs);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  readonly #onReturn = () => {
    if (!document.hidden) {
      this.#wake();
    }
  };
}

function milliseconds(seconds: number | null): number | null {
  return seconds === null ? null : Math.round(seconds * 1000);
}
