// The player's icons: paths on a 24 x 24 grid, drawn with the current text colour.

const PATHS = {
  play: "M8 5.2v13.6a.8.8 0 0 0 1.2.7l11-6.8a.8.8 0 0 0 0-1.4l-11-6.8a.8.8 0 0 0-1.2.7z",
  pause: "M7 5h3.4v14H7zM13.6 5H17v14h-3.4z",
  sound:
    "M4 9.2v5.6h3.6L12.4 19V5L7.6 9.2zM15 8.3a5 5 0 0 1 0 7.4l1.3 1.5a7 7 0 0 0 0-10.4z" +
    "M17.6 5.3a9 9 0 0 1 0 13.4l1.3 1.5a11 11 0 0 0 0-16.4z",
  muted:
    "M4 9.2v5.6h3.6L12.4 19V5L7.6 9.2zM21.5 9.9l-1.4-1.4-2.1 2.1-2.1-2.1-1.4 1.4 2.1 2.1-2.1 2.1" +
    " 1.4 1.4 2.1-2.1 2.1 2.1 1.4-1.4-2.1-2.1z",
  fullscreen: "M4 4h6v2H6v4H4zM14 4h6v6h-2V6h-4zM4 14h2v4h4v2H4zM18 14h2v6h-6v-2h4z",
  window: "M8 4h2v6H4V8h4zM14 4h2v4h4v2h-6zM4 14h6v6H8v-4H4zM14 14h6v2h-4v4h-2z",
  statistics: "M4 13h3.4v7H4zM10.3 4h3.4v16h-3.4zM16.6 9H20v11h-3.4z",
} as const;

/** The name of an icon. */
export type Icon = keyof typeof PATHS;

/** The markup of an icon; the button around it carries the words. */
export function icon(name: Icon): string {
  const path = `<path d="${PATHS[name]}"/>`;
  return `<svg class="icon" viewBox="0 0 24 24" aria-hidden="true">${path}</svg>`;
}
