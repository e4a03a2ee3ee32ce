// What the player is doing, in the words the page, the style sheet and the tests share.

/** What a viewer can be told about the show. Also the value of `data-state`. */
export type State =
  | "checking" // asking the server for the first time
  | "waiting" // no show; asking again
  | "connecting" // there is a show, no picture yet
  | "live" // the picture moves
  | "buffering" // the picture stands for a moment
  | "reconnecting" // the encoder or the server is away
  | "ended" // the show is over; asking for the next one
  | "error"; // a person has to do something

/** Why, where the state alone does not say it. Also the value of `data-reason`. */
export type Reason =
  | "" // the state says it all
  | "not-live"
  | "server-busy"
  | "server-unreachable"
  | "encoder-away"
  | "refused"
  | "codec"
  | "playback"
  | "unsupported";

/** What is known, from which state and reason follow. */
export interface Facts {
  /** What the player is at: asking for a show, playing one, or stopped for good. */
  phase: "asking" | "playing" | "ended" | "failed";
  /** What the last answer of the server (asking) or the failure (failed) was. */
  reason: Reason;
  /** Whether the page has shown a picture of this show. */
  seen: boolean;
  /** How long the picture has been standing although it should move. */
  stalledMs: number;
  /** Whether the picture stands, or will in a moment, because the encoder is or was away. */
  encoderAway: boolean;
}

// A part arrives every quarter of a second: shorter stops are over before a sign could be read.
const STALL_SHOWN_AFTER_MS = 500;

// Three segments of the default 2 s: after this it is no hiccup any more.
const STALL_IS_LOSS_AFTER_MS = 6000;

/** The state that follows from the facts. */
export function stateOf(facts: Facts): { state: State; reason: Reason } {
  switch (facts.phase) {
    case "ended":
      return { state: "ended", reason: "" };
    case "failed":
      return { state: "error", reason: facts.reason };
    case "asking":
      return asking(facts);
    case "playing":
      return playing(facts);
  }
}

function asking({ reason, seen }: Facts): { state: State; reason: Reason } {
  if (seen && reason !== "not-live") {
    return { state: "reconnecting", reason };
  }
  return reason === "" ? { state: "checking", reason } : { state: "waiting", reason };
}

function playing(facts: Facts): { state: State; reason: Reason } {
  const stalled = facts.stalledMs >= STALL_SHOWN_AFTER_MS;
  if (facts.encoderAway && (stalled || !facts.seen)) {
    return { state: "reconnecting", reason: "encoder-away" };
  }
  if (!facts.seen) {
    return { state: "connecting", reason: "" };
  }
  if (!stalled) {
    return { state: "live", reason: "" };
  }
  const lost = facts.stalledMs >= STALL_IS_LOSS_AFTER_MS;
  return { state: lost ? "reconnecting" : "buffering", reason: "" };
}
