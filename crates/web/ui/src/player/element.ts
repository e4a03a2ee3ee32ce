// <tally-player src="/live/alice/index.m3u8" name="@alice">: a live show with everything around it.
//
// `engine="native"` prefers the browser's own HLS player. What tests read (`data-*` attributes and
// the `stats` property) is listed in the crate's documentation.
import "./player.css";
import { Controls } from "./controls.ts";
import { isOnly, secondsText } from "./format.ts";
import { ShowPlayer, type Stats } from "./show-player.ts";
import { showStatistics } from "./statistics.ts";
import { build, type Parts } from "./template.ts";
import { announcementOf, messageOf } from "./words.ts";

/** The element. Plays from when it is put into a page until it is taken out. */
export class TallyPlayer extends HTMLElement {
  #parts: Parts | null = null;
  #player: ShowPlayer | null = null;
  #announced = "";

  connectedCallback(): void {
    const parts = build(this);
    // The property, not only the attribute: some browsers look at the one, some at the other.
    parts.video.muted = true;
    const source = this.getAttribute("src") ?? "";
    const preferNative = this.getAttribute("engine") === "native";
    const player = new ShowPlayer(parts.video, source, preferNative);
    const controls = new Controls(this, parts, player);
    parts.portrait.textContent = initialOf(this.#name());
    player.onLook = (stats) => {
      this.#show(stats);
      controls.show(stats);
    };
    this.#parts = parts;
    this.#player = player;
    this.#show(player.stats());
    player.start();
  }

  disconnectedCallback(): void {
    this.#player?.stop();
    this.#player = null;
    this.#parts = null;
    this.replaceChildren();
  }

  /** How it is going, now. `null` while the element is in no page. */
  get stats(): Stats | null {
    return this.#player?.stats() ?? null;
  }

  #name(): string {
    return this.getAttribute("name") ?? "The show";
  }

  #show(stats: Stats): void {
    if (this.#parts === null) {
      return;
    }
    this.#publish(stats);
    const message = messageOf(stats.state, stats.reason, this.#name(), stats.sentAs);
    setText(this.#parts.title, message.title);
    setText(this.#parts.text, message.text);
    this.#parts.retry.hidden = !message.retry;
    const latency = latencyText(stats);
    setText(this.#parts.seconds, latency);
    this.#parts.latency.hidden = latency === "";
    const announcement = announcementOf(stats.state, message, this.#name());
    if (announcement !== this.#announced) {
      this.#announced = announcement;
      this.#parts.announcer.textContent = announcement;
      this.dispatchEvent(new CustomEvent("tally-state", { detail: stats, bubbles: true }));
    }
    if (!this.#parts.statistics.hidden) {
      showStatistics(this.#parts.statistics, stats);
    }
  }

  // For the style sheet and for tests.
  #publish(stats: Stats): void {
    const data: Record<string, string> = {
      state: stats.state,
      reason: stats.reason,
      engine: stats.engine,
      latencyMs: stats.latencyMs?.toString() ?? "",
      edgeLatencyMs: stats.edgeLatencyMs?.toString() ?? "",
      frames: String(stats.frames),
      droppedFrames: String(stats.droppedFrames),
      stalls: String(stats.stalls),
      errors: String(stats.errors),
      fatalErrors: String(stats.fatalErrors),
    };
    for (const [key, value] of Object.entries(data)) {
      if (this.dataset[key] !== value) {
        this.dataset[key] = value;
      }
    }
    this.toggleAttribute("data-paused", stats.paused);
    this.toggleAttribute("data-sound-only", isOnly("sound", stats.sentAs));
    this.toggleAttribute("data-picture-only", isOnly("video", stats.sentAs));
  }
}

function latencyText(stats: Stats): string {
  if (stats.state !== "live" || stats.paused || stats.latencyMs === null) {
    return "";
  }
  return secondsText(stats.latencyMs / 1000);
}

function initialOf(name: string): string {
  return (name.replace(/^@/, "").at(0) ?? "").toUpperCase();
}

function setText(element: HTMLElement, text: string): void {
  if (element.textContent !== text) {
    element.textContent = text;
  }
}
