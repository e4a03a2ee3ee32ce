// From looks at a player to the stretches it rendered. No clock and no DOM here.

/** What a player shows at one moment. */
export interface Look {
  /** The page's monotonic clock since the session began, in milliseconds. */
  clockMs: number;
  /** The picture's time on the EXT-X-PROGRAM-DATE-TIME axis; `null` where that is not known. */
  mediaMs: number | null;
  /** Whether media moves on screen or in the speakers. */
  rendering: boolean;
  rate: number;
  visible: boolean;
  pip: boolean;
  audible: boolean;
}

/** One stretch, as the server takes it (without its number). Both ranges in milliseconds. */
export interface Stretch {
  media_ms: [number, number];
  clock_ms: [number, number];
  state: "playing";
  rate: number;
  visible: boolean;
  pip: boolean;
  audible: boolean;
}

// Between two looks media keeps pace with the clock but for this: half of what a picture may jump
// unnoticed would already be a seek, and looks come four times a second.
const JUMP_MS = 500;

// A player that catches up changes its speed by hundredths many times: one stretch may hold those.
const SPEEDS_PER_UNIT = 4;

/** Joins looks to stretches. A stretch never spans a seek, a stall or a change of attention. */
export class Ranges {
  #stretch: Stretch | null = null;
  readonly #longestMs: number;
  readonly #done: (stretch: Stretch) => void;

  /** `done` gets each stretch that ended, none longer than `longestMs` by more than one look. */
  constructor(longestMs: number, done: (stretch: Stretch) => void) {
    this.#longestMs = longestMs;
    this.#done = done;
  }

  look(look: Look): void {
    const { clockMs, mediaMs, rendering } = look;
    const stretch = this.#stretch;
    if (stretch !== null) {
      // Where the picture is now still belongs to the stretch that ends, unless it jumped there.
      const goesOn = mediaMs !== null && keepsPace(stretch, look, mediaMs);
      if (goesOn) {
        stretch.media_ms[1] = mediaMs;
        stretch.clock_ms[1] = clockMs;
      }
      const isLong = clockMs - stretch.clock_ms[0] >= this.#longestMs;
      if (!goesOn || !rendering || isLong || attentionOf(stretch) !== attentionOf(look)) {
        this.cut();
      }
    }
    if (this.#stretch === null && rendering && mediaMs !== null) {
      const { rate, visible, pip, audible } = look;
      const [media_ms, clock_ms]: [number, number][] = [[mediaMs, mediaMs], [clockMs, clockMs]];
      this.#stretch = { media_ms, clock_ms, state: "playing", rate, visible, pip, audible } as Stretch;
    }
  }

  /** Ends the stretch at the last look. */
  cut(): void {
    const stretch = this.#stretch;
    this.#stretch = null;
    if (stretch !== null) {
      stretch.media_ms = rounded(stretch.media_ms);
      stretch.clock_ms = rounded(stretch.clock_ms);
      if (isForward(stretch.media_ms) && isForward(stretch.clock_ms)) {
        this.#done(stretch);
      }
    }
  }
}

function keepsPace(stretch: Stretch, look: Look, mediaMs: number): boolean {
  const movedMs = mediaMs - stretch.media_ms[1];
  const passedMs = look.clockMs - stretch.clock_ms[1];
  return movedMs >= 0 && Math.abs(movedMs - passedMs * look.rate) <= JUMP_MS;
}

function attentionOf({ rate, visible, pip, audible }: Look | Stretch): string {
  return [Math.round(rate * SPEEDS_PER_UNIT), visible, pip, audible].join();
}

function isForward([start, end]: [number, number]): boolean {
  return start < end;
}

function rounded([start, end]: [number, number]): [number, number] {
  return [Math.round(start), Math.round(end)];
}
