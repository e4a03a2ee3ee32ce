// Buttons, keys, the quality menu, fullscreen, and controls that step aside.
import type { Level } from "./engine.ts";
import { levelText } from "./format.ts";
import type { ShowPlayer, Stats } from "./show-player.ts";
import type { Parts } from "./template.ts";

// As long as a glance at the controls takes.
const CONTROLS_REST_AFTER_MS = 2800;

// iPhones have fullscreen for the bare video only.
interface PhoneVideo extends HTMLVideoElement {
  webkitEnterFullscreen?(): void;
}

/** Wires a player's parts to what they do. */
export class Controls {
  readonly #host: HTMLElement;
  readonly #parts: Parts;
  readonly #player: ShowPlayer;
  #restTimer = 0;
  #levelsShown: Level[] = [];

  constructor(host: HTMLElement, parts: Parts, player: ShowPlayer) {
    this.#host = host;
    this.#parts = parts;
    this.#player = player;
    this.#wireButtons();
    this.#wireStage();
    host.addEventListener("keydown", (event) => this.#onKey(event));
    document.addEventListener("fullscreenchange", () => this.#showFullscreen());
    this.#showFullscreen();
    this.#showSound();
  }

  /** Brings the controls up to date. */
  show(stats: Stats): void {
    const { play, goLive, quality } = this.#parts;
    play.setAttribute("aria-label", stats.paused ? "Play" : "Pause");
    const behindMs = (stats.edgeLatencyMs ?? 0) - (stats.targetLatencyMs ?? NATIVE_DISTANCE_MS);
    goLive.classList.toggle("wanted", stats.paused || behindMs > GO_LIVE_OFFERED_BEHIND_MS);
    if (this.#levelsShown !== this.#player.levels) {
      this.#levelsShown = this.#player.levels;
      fillQuality(quality, this.#levelsShown);
    }
    const automatic = quality.options[0];
    if (automatic !== undefined && !quality.hidden) {
      const level = this.#levelsShown[this.#player.playingLevel()];
      automatic.text = level === undefined ? "Auto" : `Auto · ${nameOf(level)}`;
    }
  }

  #wireButtons(): void {
    const { parts, player } = { parts: this.#parts, player: this.#player };
    parts.play.addEventListener("click", () => this.#togglePlay());
    parts.bigPlay.addEventListener("click", () => player.play());
    parts.retry.addEventListener("click", () => player.retry());
    parts.goLive.addEventListener("click", () => player.play());
    parts.mute.addEventListener("click", () => this.#toggleSound());
    parts.tapForSound.addEventListener("click", () => this.#toggleSound());
    parts.volume.addEventListener("input", () => this.#setVolume());
    parts.video.addEventListener("volumechange", () => this.#showSound());
    parts.fullscreen.addEventListener("click", () => this.#toggleFullscreen());
    parts.showStatistics.addEventListener("click", () => this.#toggleStatistics());
    parts.quality.addEventListener("change", () => player.choose(Number(parts.quality.value)));
  }

  #wireStage(): void {
    const { stage, video } = this.#parts;
    for (const event of ["pointermove", "pointerdown", "focusin", "keydown"]) {
      stage.addEventListener(event, () => this.#wakeControls());
    }
    stage.addEventListener("pointerleave", (event) => {
      if (event.pointerType === "mouse") {
        this.#restControls();
      }
    });
    stage.addEventListener("dblclick", (event) => {
      const target = event.target as Element;
      if (target.closest("button, select, input") === null) {
        this.#toggleFullscreen();
      }
    });
    video.addEventListener("pause", () => this.#wakeControls());
    this.#wakeControls();
  }

  #onKey(event: KeyboardEvent): void {
    const onControl = event.target instanceof HTMLElement && event.target !== this.#parts.stage;
    if (event.ctrlKey || event.metaKey || event.altKey || (event.key === " " && onControl)) {
      return;
    }
    const action = this.#actionOf(event.key);
    if (action !== undefined) {
      event.preventDefault();
      action();
    }
  }

  // The keys people know from other players; they work while the focus is inside this one.
  #actionOf(key: string): (() => void) | undefined {
    switch (key.toLowerCase()) {
      case " ":
      case "k":
        return () => this.#togglePlay();
      case "m":
        return () => this.#toggleSound();
      case "f":
        return () => this.#toggleFullscreen();
      case "l":
        return () => this.#player.play();
      case "i":
        return () => this.#toggleStatistics();
      default:
        return undefined;
    }
  }

  #togglePlay(): void {
    if (this.#parts.video.paused) {
      this.#player.play();
    } else {
      this.#player.pause();
    }
  }

  #toggleSound(): void {
    const { video } = this.#parts;
    video.muted = !video.muted;
    if (!video.muted && video.volume === 0) {
      video.volume = 1;
    }
  }

  #setVolume(): void {
    const { video, volume } = this.#parts;
    video.volume = Number(volume.value) / 100;
    video.muted = video.volume === 0;
  }

  #showSound(): void {
    const { video, volume, mute } = this.#parts;
    volume.value = String(video.muted ? 0 : Math.round(video.volume * 100));
    mute.setAttribute("aria-label", video.muted ? "Turn sound on" : "Turn sound off");
    this.#host.toggleAttribute("data-muted", video.muted);
  }

  #toggleFullscreen(): void {
    const { stage, video } = this.#parts;
    if (document.fullscreenElement !== null && document.fullscreenElement !== undefined) {
      void document.exitFullscreen();
    } else if (stage.requestFullscreen !== undefined) {
      void stage.requestFullscreen().catch(() => {});
    } else {
      (video as PhoneVideo).webkitEnterFullscreen?.();
    }
  }

  #showFullscreen(): void {
    const full = document.fullscreenElement === this.#parts.stage;
    this.#host.toggleAttribute("data-fullscreen", full);
    this.#parts.fullscreen.setAttribute("aria-label", full ? "Leave fullscreen" : "Fullscreen");
  }

  #toggleStatistics(): void {
    const { statistics, showStatistics } = this.#parts;
    statistics.hidden = !statistics.hidden;
    showStatistics.setAttribute("aria-pressed", String(!statistics.hidden));
  }

  #wakeControls(): void {
    this.#host.removeAttribute("data-resting");
    window.clearTimeout(this.#restTimer);
    this.#restTimer = window.setTimeout(() => this.#restControls(), CONTROLS_REST_AFTER_MS);
  }

  // Never while they are in use: focused by keyboard, or the picture stands.
  #restControls(): void {
    const { stage, video } = this.#parts;
    const inUse = stage.querySelector(":focus-visible") !== null;
    this.#host.toggleAttribute("data-resting", !inUse && !video.paused);
  }
}

// Offered once the pace keeper would take noticeably long to make it up.
const GO_LIVE_OFFERED_BEHIND_MS = 1500;

// Browsers' own players do not tell; three segments of 2 s is where they begin.
const NATIVE_DISTANCE_MS = 6000;

function fillQuality(quality: HTMLSelectElement, levels: Level[]): void {
  quality.replaceChildren(new Option("Auto", "-1"));
  levels
    .map((level, index) => ({ level, index }))
    .sort((a, b) => b.level.height - a.level.height || b.level.bitsPerS - a.level.bitsPerS)
    .forEach(({ level, index }) => quality.add(new Option(nameOf(level), String(index))));
  quality.hidden = levels.length < 2;
}

function nameOf({ height, frameRate, bitsPerS }: Level): string {
  return levelText(height, frameRate, bitsPerS);
}
