// Asking the server whether there is a show, politely.
import type { Reason } from "./state.ts";

/** What the server said about `index.m3u8`. */
export type Answer =
  | { kind: "show"; show: string; codecs: string[] } // the show's name, and what it is sent as
  | { kind: "none"; reason: Reason } // nothing to play now: ask again
  | { kind: "refused" }; // asking again will not help

// A playlist that lists a few renditions comes at once; a server this slow is in trouble.
const ANSWER_WITHIN_MS = 8000;

const FIRST_PAUSE_MS = 1000;
const PAUSE_GROWTH = 1.5;
// Who waits for a show to begin should not miss its first words.
const PAUSE_MAX_MS = 5000;
// A forgotten tab in the background need not be that quick (it is asked for at once when shown).
const PAUSE_HIDDEN_MAX_MS = 20_000;
// So that ten thousand waiting viewers do not ask in the same instant.
const JITTER = 0.2;

/** Asks once. Never throws. */
export async function askForShow(source: string): Promise<Answer> {
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), ANSWER_WITHIN_MS);
  try {
    const response = await fetch(source, { cache: "no-store", signal: late.signal });
    return answerOf(response.status, response.ok ? await response.text() : "");
  } catch {
    return { kind: "none", reason: "server-unreachable" };
  } finally {
    clearTimeout(timer);
  }
}

/** What a response means. */
export function answerOf(status: number, body: string): Answer {
  if (status === 401 || status === 403) {
    return { kind: "refused" };
  }
  if (status === 404 || status === 410) {
    return { kind: "none", reason: "not-live" };
  }
  if (status === 200 && body.startsWith("#EXTM3U")) {
    return { kind: "show", show: showIn(body), codecs: codecsIn(body) };
  }
  return { kind: "none", reason: "server-busy" };
}

/**
 * The name of the show in a multivariant playlist: its first media playlist is at
 * `[s/{session}/]{show}/{rendition}/playlist.m3u8`. Tells a new show from one that has ended.
 */
export function showIn(playlist: string): string {
  const lines = playlist.split("\n").map((line) => line.trim());
  const first = lines.find((line) => line !== "" && !line.startsWith("#")) ?? "";
  return first.split("/").at(-3) ?? first;
}

/** The codecs of a multivariant playlist's renditions (RFC 6381), each once. */
export function codecsIn(playlist: string): string[] {
  const lists = [...playlist.matchAll(/^#EXT-X-STREAM-INF:(?:.*,)?CODECS="([^"]*)"/gm)];
  return [...new Set(lists.flatMap((list) => (list[1] ?? "").split(",")))];
}

/** How long to wait after the `attempt`th answer (0 is the first); `random` is in 0..1. */
export function pauseMs(attempt: number, hidden: boolean, random: number): number {
  const longest = hidden ? PAUSE_HIDDEN_MAX_MS : PAUSE_MAX_MS;
  const wanted = Math.min(longest, FIRST_PAUSE_MS * PAUSE_GROWTH ** attempt);
  return Math.round(wanted * (1 - JITTER + 2 * JITTER * random));
}
