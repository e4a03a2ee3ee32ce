// The browser's own HLS player behind the Engine interface: it does everything and says little.
import type { Engine, Figures, Listener } from "./engine.ts";

// Safari tells the time of day at position 0; it is in no standard DOM typing.
interface DatedVideo extends HTMLVideoElement {
  getStartDate?(): Date;
}

const MEDIA_ERRORS: Record<number, string> = {
  [MediaError.MEDIA_ERR_NETWORK]: "networkError",
  [MediaError.MEDIA_ERR_DECODE]: "mediaError",
  [MediaError.MEDIA_ERR_SRC_NOT_SUPPORTED]: "networkError",
};

/** Whether the browser says that it plays HLS itself. */
export function isSupported(video: HTMLVideoElement): boolean {
  return video.canPlayType("application/vnd.apple.mpegurl") !== "";
}

/** The browser's player at work. */
export class NativeEngine implements Engine {
  readonly name = "native";
  readonly #video: DatedVideo;
  readonly #listener: Listener;

  constructor(video: HTMLVideoElement, source: string, listener: Listener) {
    this.#video = video;
    this.#listener = listener;
    video.addEventListener("error", this.#onError);
    video.src = source;
  }

  figures(): Figures {
    return {
      dateMs: this.#dateMs(),
      edgeLatencyS: this.#edgeLatencyS(),
      targetLatencyS: null,
      mediaBitsPerS: 0,
      codecs: "",
      encoderAway: false,
      complete: Number.isFinite(this.#video.duration),
    };
  }

  jumpToLive(): void {
    const { seekable } = this.#video;
    if (seekable.length > 0) {
      this.#video.currentTime = seekable.end(seekable.length - 1);
    }
  }

  // The browser chooses among the renditions by itself.
  choose(): void {}

  playing(): number {
    return -1;
  }

  recoverMedia(): void {
    this.#video.load();
  }

  destroy(): void {
    this.#video.removeEventListener("error", this.#onError);
    this.#video.removeAttribute("src");
    this.#video.load();
  }

  readonly #onError = () => {
    const error = this.#video.error;
    const type = MEDIA_ERRORS[error?.code ?? 0] ?? "otherError";
    const text = ["native", type, error?.message].filter((part) => part).join(" · ");
    this.#listener.failed({ type, details: "", text }, true);
  };

  #dateMs(): number | null {
    const startMs = this.#video.getStartDate?.().getTime() ?? Number.NaN;
    return Number.isNaN(startMs) ? null : startMs + this.#video.currentTime * 1000;
  }

  #edgeLatencyS(): number | null {
    const { seekable, currentTime } = this.#video;
    return seekable.length > 0 ? seekable.end(seekable.length - 1) - currentTime : null;
  }
}
