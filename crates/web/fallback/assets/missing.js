// Fills in this show's own playlist address; the page reads well without it.
const playlist = location.origin + location.pathname.replace(/\/+$/, "") + "/index.m3u8";
for (const place of document.querySelectorAll(".playlist")) {
  place.textContent = playlist;
  if (place instanceof HTMLAnchorElement) {
    place.href = playlist;
  }
}
