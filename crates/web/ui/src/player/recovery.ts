// What to do about a failure that hls.js could not get over by itself.
import type { Reason } from "./state.ts";

/** A fatal failure, as far as the remedy depends on it. */
export interface Failure {
  /** hls.js `ErrorTypes`: `networkError`, `mediaError`, `muxError` and so on. */
  type: string;
  /** hls.js `ErrorDetails`. */
  details: string;
  /** Both and what else is known, for the statistics panel. */
  text: string;
}

/** The remedy: from the gentlest to giving up. */
export type Remedy =
  | { kind: "ask-again" } // ask the server whether there is a show, then begin anew
  | { kind: "recover-media" } // empty the browser's decoder and go on
  | { kind: "rebuild" } // begin anew at the live edge
  | { kind: "give-up"; reason: Reason };

// The browser said that it has no decoder: trying again cannot help.
const CODEC_FAILURES = new Set([
  "manifestIncompatibleCodecsError",
  "bufferAddCodecError",
  "bufferIncompatibleCodecsError",
]);

// Remedies within this time count together; a show that plays for a minute has earned a new start.
const WINDOW_MS = 60_000;

// The first failure is often one bad frame; the same again means that the decoder needs a fresh
// start; after the fifth in a minute a person should be told instead of seeing flicker.
const REMEDIES_MAX = 5;

/** Remembers recent failures and chooses remedies. */
export class Recovery {
  #appliedMs: number[] = [];

  /** The remedy for a failure at `nowMs` of a clock that only goes forward. */
  choose(failure: Failure, nowMs: number): Remedy {
    if (CODEC_FAILURES.has(failure.details)) {
      return { kind: "give-up", reason: "codec" };
    }
    // Asking is polite by itself (it backs off), so it needs no limit here.
    if (failure.type === "networkError") {
      return { kind: "ask-again" };
    }
    this.#appliedMs = this.#appliedMs.filter((atMs) => nowMs - atMs < WINDOW_MS);
    if (this.#appliedMs.length >= REMEDIES_MAX) {
      return { kind: "give-up", reason: "playback" };
    }
    this.#appliedMs.push(nowMs);
    const first = this.#appliedMs.length === 1;
    return { kind: first && failure.type === "mediaError" ? "recover-media" : "rebuild" };
  }
}
