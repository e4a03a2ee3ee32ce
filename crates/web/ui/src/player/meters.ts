// Small counters over what the browser and hls.js report.

/** Frames since the page opened; a browser counts from zero at each new source. */
export class FrameMeter {
  #before = { total: 0, dropped: 0 };
  #now = { total: 0, dropped: 0 };

  /** Takes what `getVideoPlaybackQuality()` says now. */
  read(total: number, dropped: number): void {
    if (total < this.#now.total) {
      this.#before = { total: this.total, dropped: this.dropped };
    }
    this.#now = { total, dropped };
  }

  get total(): number {
    return this.#before.total + this.#now.total;
  }

  get dropped(): number {
    return this.#before.dropped + this.#now.dropped;
  }
}

// Long enough to hold several segments, so that one large keyframe does not show as a jump.
const BIT_RATE_OVER_S = 6;

/** The bit rate of the media itself, over the newest few seconds of it. */
export class BitRateMeter {
  #pieces: { bytes: number; durationS: number }[] = [];

  /** Takes one downloaded part or segment. */
  add(bytes: number, durationS: number): void {
    this.#pieces.push({ bytes, durationS });
    let heldS = this.#pieces.reduce((sum, piece) => sum + piece.durationS, 0);
    let oldest = this.#pieces[0];
    while (oldest !== undefined && heldS - oldest.durationS >= BIT_RATE_OVER_S) {
      this.#pieces.shift();
      heldS -= oldest.durationS;
      oldest = this.#pieces[0];
    }
  }

  /** Bits per second; 0 before anything came. */
  get bitsPerS(): number {
    const bytes = this.#pieces.reduce((sum, piece) => sum + piece.bytes, 0);
    const heldS = this.#pieces.reduce((sum, piece) => sum + piece.durationS, 0);
    return heldS > 0 ? (bytes * 8) / heldS : 0;
  }
}

// Two frames at 25 fps are 80 ms; one late timer of the page must not count as a stall.
const STALL_COUNTED_AFTER_MS = 200;

/** Counts the times the picture stood, and for how long it stands now. */
export class StallMeter {
  count = 0;
  #lastTimeS = -1;
  #movedAtMs = 0;
  #counted = false;

  /**
   * Takes one look: where the picture is, and whether it is meant to move. Returns how long it has
   * been standing, in milliseconds. Looks are a quarter of a second apart, so a stop is counted
   * from the second look on that finds it standing.
   */
  look(timeS: number, meantToMove: boolean, nowMs: number): number {
    if (!meantToMove || timeS !== this.#lastTimeS) {
      this.#lastTimeS = timeS;
      this.#movedAtMs = nowMs;
      this.#counted = false;
      return 0;
    }
    const stoodMs = nowMs - this.#movedAtMs;
    if (!this.#counted && stoodMs >= STALL_COUNTED_AFTER_MS) {
      this.#counted = true;
      this.count += 1;
    }
    return stoodMs;
  }

  /** The player moves to another place on purpose: the stop that this takes is not counted. */
  excuse(): void {
    this.#counted = true;
  }
}

