// Heartbeats on their way: kept until the server has them on disk, also while there is no network.
import type { Stretch } from "./ranges.ts";

/** A numbered stretch: the wire form. */
export type Heartbeat = Stretch & { sn: number };

// More than ten minutes of steady watching; older ones the server would refuse.
const KEPT_MAX = 256;

// Browsers let a page that goes away send 64 kB: this is half, and as many as the server looks at.
const TOGETHER_MAX = 128;

/** What the outbox tells the network: a request's status and, when it was 200, its JSON body. */
export type Send = (body: string) => Promise<{ status: number; answer?: Receipt }>;

interface Receipt {
  acknowledged: number;
  token?: string;
}

/** The heartbeats of one session. */
export class Outbox {
  /** The server takes nothing more for this session: its token ended or plays elsewhere. */
  isOver = false;
  #token: string;
  #kept: Heartbeat[] = [];
  #count = 0;
  #sending: Promise<void> | null = null;
  readonly #send: Send;

  constructor(token: string, send: Send) {
    this.#token = token;
    this.#send = send;
  }

  get isEmpty(): boolean {
    return this.#kept.length === 0;
  }

  add(stretch: Stretch): void {
    this.#count += 1;
    this.#kept.push({ sn: this.#count, ...stretch });
    this.#kept = this.#kept.slice(-KEPT_MAX);
  }

  /** The oldest heartbeats with the token: as a body, which needs no header and so no preflight. */
  body(): string {
    return JSON.stringify({ token: this.#token, heartbeats: this.#kept.slice(0, TOGETHER_MAX) });
  }

  /** Sends what is kept; without any, asks for the next token. One request at a time. Never throws. */
  flush(): Promise<void> {
    this.#sending ??= this.#sendAll().finally(() => {
      this.#sending = null;
    });
    return this.#sending;
  }

  async #sendAll(): Promise<void> {
    let before = Number.POSITIVE_INFINITY;
    // Each round sends some, so it ends when nothing is left or nothing gets through.
    while (!this.isOver && this.#kept.length < before) {
      before = this.#kept.length;
      try {
        this.#take(await this.#send(this.body()));
      } catch {
        return; // No network: kept for the next time.
      }
      before = this.isEmpty ? 0 : before;
    }
  }

  #take({ status, answer }: Awaited<ReturnType<Send>>): void {
    if (answer !== undefined) {
      this.#token = answer.token ?? this.#token;
      this.#kept = this.#kept.filter(({ sn }) => sn > answer.acknowledged);
    } else if (status === 400 || status === 413) {
      this.#kept = []; // It would not take them the next time either.
    } else if (status !== 429 && status < 500) {
      this.isOver = true;
    }
  }
}
