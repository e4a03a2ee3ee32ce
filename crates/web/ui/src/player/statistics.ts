// The statistics panel: for the curious, and for a report that says what was wrong.
import { bitRateText, secondsText } from "./format.ts";
import type { Stats } from "./show-player.ts";

/** Fills the panel. Rows stay the same, so that only numbers change under the eye. */
export function showStatistics(panel: HTMLElement, stats: Stats): void {
  const rows = rowsOf(stats);
  if (panel.childElementCount !== rows.length * 2) {
    panel.replaceChildren(
      ...rows.flatMap(([name]) => {
        const term = document.createElement("dt");
        term.textContent = name;
        return [term, document.createElement("dd")];
      }),
    );
  }
  const values = panel.querySelectorAll("dd");
  rows.forEach(([, value], index) => {
    const cell = values[index];
    if (cell !== undefined && cell.textContent !== value) {
      cell.textContent = value;
    }
  });
}

function rowsOf(stats: Stats): [string, string][] {
  const seconds = (ms: number | null) => secondsText(ms === null ? null : ms / 1000);
  const wanted = preciseText(stats.targetLatencyMs);
  const size = stats.width > 0 ? `${stats.width} × ${stats.height}` : "–";
  return [
    ["Latency", preciseText(stats.latencyMs)],
    ["To live edge", `${preciseText(stats.edgeLatencyMs)} (wanted ${wanted})`],
    ["Buffer", seconds(stats.bufferedMs)],
    ["Speed", `${stats.rate.toFixed(2)}×`],
    ["Picture", size],
    ["Bit rate", bitRateText(stats.mediaBitsPerS)],
    ["Codecs", stats.codecs || "–"],
    ["Frames", `${stats.frames} shown, ${stats.droppedFrames} dropped`],
    ["Stalls", String(stats.stalls)],
    ["Player", stats.engine || "–"],
    ["Problems", stats.lastError === "" ? "none" : `${stats.errors}, last: ${stats.lastError}`],
  ];
}

function preciseText(ms: number | null): string {
  return ms === null ? "–" : `${(ms / 1000).toFixed(2)} s`;
}
