// The home page: opens a watch page by handle, and shows this server's own addresses.
import "./page.css";
import { typedHandle } from "./player/format.ts";

const form = document.querySelector("form");
const input = document.querySelector("input");

form?.addEventListener("submit", (event) => {
  event.preventDefault();
  const handle = typedHandle(input?.value ?? "");
  if (handle !== "") {
    // Relative, so that it works below a reverse proxy's prefix.
    location.assign(`live/${encodeURIComponent(handle)}`);
  }
});

for (const place of document.querySelectorAll("[data-fill=host]")) {
  place.textContent = location.hostname;
}
