// The player's markup and the handles to its pieces.
import { icon } from "./icons.ts";

const MARKUP = `
<div class="stage" tabindex="-1">
  <video playsinline muted></video>
  <div class="shade"></div>
  <div class="message">
    <div class="spinner"></div>
    <div class="portrait" aria-hidden="true"></div>
    <h2 class="title"></h2>
    <p class="text"></p>
    <button class="retry pill" type="button">Try again</button>
  </div>
  <div class="top">
    <span class="badge"><span class="dot"></span>LIVE</span>
    <span class="latency" title="How far this picture is behind the moment itself"><span
      class="seconds"></span><span class="behind"> behind</span></span>
  </div>
  <button class="big-play" type="button" aria-label="Play">${icon("play")}</button>
  <button class="tap-for-sound pill" type="button">${icon("muted")}Tap for sound</button>
  <dl class="statistics" hidden></dl>
  <div class="bar" role="group" aria-label="Player controls">
    <button class="play" type="button">${icon("play")}${icon("pause")}</button>
    <button class="mute" type="button">${icon("sound")}${icon("muted")}</button>
    <input class="volume" type="range" min="0" max="100" step="5" aria-label="Volume">
    <button class="go-live" type="button"><span class="dot"></span>Go live</button>
    <span class="spring"></span>
    <select class="quality" aria-label="Picture quality" hidden></select>
    <button class="show-statistics" type="button" aria-label="Statistics"
      aria-pressed="false">${icon("statistics")}</button>
    <button class="fullscreen" type="button">${icon("fullscreen")}${icon("window")}</button>
  </div>
</div>
<p class="announcer" role="status"></p>
`;

/** The pieces of a player that code touches. */
export interface Parts {
  stage: HTMLElement;
  video: HTMLVideoElement;
  portrait: HTMLElement;
  title: HTMLElement;
  text: HTMLElement;
  retry: HTMLButtonElement;
  latency: HTMLElement;
  seconds: HTMLElement;
  bigPlay: HTMLButtonElement;
  tapForSound: HTMLButtonElement;
  statistics: HTMLElement;
  play: HTMLButtonElement;
  mute: HTMLButtonElement;
  volume: HTMLInputElement;
  goLive: HTMLButtonElement;
  quality: HTMLSelectElement;
  showStatistics: HTMLButtonElement;
  fullscreen: HTMLButtonElement;
  announcer: HTMLElement;
}

/** Fills `host` with the markup. */
export function build(host: HTMLElement): Parts {
  host.innerHTML = MARKUP;
  const part = <T extends HTMLElement>(selector: string): T => {
    const found = host.querySelector<T>(selector);
    if (found === null) {
      throw new Error(`the player's markup has no ${selector}`);
    }
    return found;
  };
  return {
    stage: part(".stage"),
    video: part("video"),
    portrait: part(".portrait"),
    title: part(".title"),
    text: part(".text"),
    retry: part(".retry"),
    latency: part(".latency"),
    seconds: part(".seconds"),
    bigPlay: part(".big-play"),
    tapForSound: part(".tap-for-sound"),
    statistics: part(".statistics"),
    play: part(".play"),
    mute: part(".mute"),
    volume: part(".volume"),
    goLive: part(".go-live"),
    quality: part(".quality"),
    showStatistics: part(".show-statistics"),
    fullscreen: part(".fullscreen"),
    announcer: part(".announcer"),
  };
}
