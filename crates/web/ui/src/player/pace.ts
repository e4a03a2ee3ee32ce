// How fast to play, so that the picture stays at the wanted distance from the live edge.
//
// hls.js has a controller for this, but it stops catching up when less than a second is buffered,
// and with parts of 250 ms the whole wanted latency is less than a second.

/** Where playback stands. All in seconds. */
export interface Position {
  /** Distance from the picture shown to the live edge. */
  latencyS: number;
  /** The distance the server asks for (`PART-HOLD-BACK`). */
  targetS: number;
  /** Media in hand ahead of the picture shown. */
  bufferedS: number;
  /** Whether the picture has only just begun to move. */
  fresh: boolean;
  /** How long the picture has been standing. */
  stalledS: number;
}

/** What to do about it. */
export interface Pace {
  rate: number;
  /** Whether to jump to the live edge: too far behind to catch up by playing faster. */
  jump: boolean;
}

// Pitch-corrected speech 8 % faster still sounds natural, and a viewer half a second behind is back
// in six seconds. Watch time is counted for catching up at no more than 1.1.
const RATE_MAX = 1.08;

// Slower only to keep the last of the buffer from running dry, where 5 % goes unnoticed.
const RATE_MIN = 0.95;

// At the top rate this takes half a minute to make up; beyond it one visible jump is kinder.
const JUMP_BEHIND_S = 2.5;

// A picture that has stood this long, while newer media is there to go to, is better left behind.
const STALL_LEFT_AFTER_S = 1;
const STALL_LEFT_BEHIND_S = 1;

// Loading the first picture takes most of a second, in which the show went on. A jump right then,
// within what is loaded already, goes unnoticed.
const FRESH_JUMP_BEHIND_S = 0.25;

// The live edge is an estimate that moves by some hundredths with each playlist: no chasing those.
const DEAD_BAND_S = 0.04;

// How much faster per second behind: strong enough to end near the target, weak enough not to
// overshoot between two looks.
const GAIN_PER_S = 0.3;

// Never spend the last part in hand on catching up.
const RESERVE_S = 0.25;

// Rates are set in these steps: browsers restart their audio stretcher at each change.
const RATE_STEP = 0.02;

/** The pace for a player that follows the live edge. */
export function paceOf({ latencyS, targetS, bufferedS, fresh, stalledS }: Position): Pace {
  const behindS = latencyS - targetS;
  const freshJump = fresh && behindS > FRESH_JUMP_BEHIND_S && bufferedS - behindS > RESERVE_S;
  const stalledJump = stalledS > STALL_LEFT_AFTER_S && behindS > STALL_LEFT_BEHIND_S;
  if (freshJump || stalledJump || behindS > JUMP_BEHIND_S) {
    return { rate: 1, jump: true };
  }
  if (behindS > DEAD_BAND_S && bufferedS > RESERVE_S) {
    return { rate: stepped(Math.min(RATE_MAX, 1 + behindS * GAIN_PER_S)), jump: false };
  }
  if (behindS < -DEAD_BAND_S && bufferedS < RESERVE_S) {
    return { rate: stepped(Math.max(RATE_MIN, 1 + behindS * GAIN_PER_S)), jump: false };
  }
  return { rate: 1, jump: false };
}

function stepped(rate: number): number {
  return Number((Math.round(rate / RATE_STEP) * RATE_STEP).toFixed(2));
}

// One default part more distance per stall: the smallest step that absorbs a late part.
const CAUTION_STEP_S = 0.25;

// With this much more even a bad mobile network is smooth; farther away is no conversation.
const CAUTION_MAX_S = 2;

// A minute without a stall earns one step back.
const CAUTION_EASES_EVERY_MS = 60_000;

/** Extra distance from the live edge for a connection that has stalled, given back over time. */
export class Caution {
  #extraS = 0;
  #changedMs = 0;

  /** Notes a stall at `nowMs` of a clock that only goes forward. */
  stalled(nowMs: number): void {
    this.#extraS = Math.min(CAUTION_MAX_S, this.extraS(nowMs) + CAUTION_STEP_S);
    this.#changedMs = nowMs;
  }

  /** The extra distance now, in seconds. */
  extraS(nowMs: number): number {
    const steps = Math.floor((nowMs - this.#changedMs) / CAUTION_EASES_EVERY_MS);
    return Math.max(0, this.#extraS - steps * CAUTION_STEP_S);
  }
}
