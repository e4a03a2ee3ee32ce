// What the player asks of the thing that plays HLS: hls.js or the browser itself.
import type { Failure } from "./recovery.ts";

/** One rendition a viewer can choose. */
export interface Level {
  height: number;
  frameRate: number;
  bitsPerS: number;
}

/** What an engine knows at one moment. `null` where it cannot know. */
export interface Figures {
  /** Time of day of the picture shown (Unix time in milliseconds, the server's clock). */
  dateMs: number | null;
  /** Distance from the picture to the live edge. */
  edgeLatencyS: number | null;
  /** The distance the server asks players to keep. */
  targetLatencyS: number | null;
  /** Bit rate of the media that came in. */
  mediaBitsPerS: number;
  /** Codecs of what plays, as RFC 6381 strings. */
  codecs: string;
  /** Whether the newest media is marked as missing. */
  encoderAway: boolean;
  /** Whether the playlist says that nothing more will come. */
  complete: boolean;
}

/** What an engine tells the player. */
export interface Listener {
  /** The playlist says that the show was over before the first picture. */
  alreadyOver(): void;
  /** Which renditions there are. */
  levelsKnown(levels: Level[]): void;
  /** Something went wrong; `fatal` when the engine stopped because of it. */
  failed(failure: Failure, fatal: boolean): void;
}

/** An engine at work on one `<video>`. Ends with `destroy`. */
export interface Engine {
  readonly name: "hls.js" | "native";
  figures(): Figures;
  /** Moves to the live edge. */
  jumpToLive(): void;
  /** The level chosen by hand, or -1 for automatic choice. */
  choose(level: number): void;
  /** The level that plays now, or -1. */
  playing(): number;
  /** Empties the decoder and goes on, after a media failure. */
  recoverMedia(): void;
  destroy(): void;
}
