// The watch page: reads the handle from its own address and puts the player in.
import "./page.css";
import { showAddress } from "./player/format.ts";
import { TallyPlayer } from "./player/element.ts";
import { wireShare } from "./share.ts";

const STATUS: Record<string, string> = {
  checking: "Looking for the show …",
  waiting: "Not live right now",
  connecting: "Live now",
  live: "Live now",
  buffering: "Live now",
  reconnecting: "Reconnecting …",
  ended: "The show has ended",
  error: "Can’t play this show here",
};

customElements.define("tally-player", TallyPlayer);

const address = showAddress(location.pathname);
const name = address === null ? "This show" : `@${address.handle}`;
document.title = `${name} live · Tally`;
for (const place of document.querySelectorAll("[data-fill=name]")) {
  place.textContent = name;
}
for (const place of document.querySelectorAll("[data-fill=initial]")) {
  place.textContent = name.charAt(1).toUpperCase();
}

const player = document.createElement("tally-player");
player.setAttribute("src", address?.playlist ?? "index.m3u8");
player.setAttribute("name", name);
// `?engine=native` shows what the browser's own player makes of the stream.
player.setAttribute("engine", new URLSearchParams(location.search).get("engine") ?? "");
document.querySelector(".stage-place")?.replaceChildren(player);

const status = document.querySelector(".status");
player.addEventListener("tally-state", () => {
  if (status !== null) {
    status.textContent = STATUS[player.dataset.state ?? ""] ?? "";
  }
});

wireShare(document.querySelector(".share"), name);
