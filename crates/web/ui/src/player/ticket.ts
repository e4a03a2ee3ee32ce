// The playback session of the show that plays: what makes its watch time count.
import { openSession, type Session } from "../heartbeats/index.ts";
import { playlistAddress } from "./format.ts";

/** One session per show, kept while its player is made anew. */
export class Ticket {
  readonly #source: string;
  #session: Session | null = null;
  #rest: () => unknown = () => {};

  constructor(source: string) {
    this.#source = source;
  }

  /** What to play of `show`. Without a session the show plays all the same; nobody is told of it. */
  async sourceFor(show: string): Promise<string> {
    if (this.#session?.show !== show || this.#session.isOver) {
      this.#session = await this.#open();
    }
    return this.#session?.hls ?? this.#source;
  }

  /** Tells the server what `video` renders, until `rest`. */
  attest(video: HTMLVideoElement, mediaMs: () => number | null): void {
    this.rest();
    this.#rest = this.#session?.attest(video, mediaMs) ?? this.#rest;
  }

  rest(): void {
    this.#rest();
    this.#rest = () => {};
  }

  async #open(): Promise<Session | null> {
    const address = playlistAddress(this.#source);
    try {
      return address === null ? null : await openSession(address);
    } catch {
      return null;
    }
  }
}
