// Text from addresses and numbers.

/** A show's page address, read. */
export interface ShowAddress {
  /** The creator's handle, without the at sign. */
  handle: string;
  /** The path of the multivariant playlist, below the same proxy prefix as the page. */
  playlist: string;
}

/** Reads `[/prefix]/live/{handle}`; `null` where the path has no handle. */
export function showAddress(pathname: string): ShowAddress | null {
  const path = pathname.replace(/\/+$/, "");
  const segment = /\/live\/([^/]+)$/.exec(path)?.[1];
  if (segment === undefined) {
    return null;
  }
  return { handle: decoded(segment), playlist: `${path}/index.m3u8` };
}

/** Reads `[server]/live/{handle}/index.m3u8`: what a playback session is asked for with. */
export function playlistAddress(source: string): { server: string; handle: string } | null {
  const [, server, handle] = /^(.*)\/live\/([^/]+)\/index\.m3u8$/.exec(source) ?? [];
  return server === undefined || handle === undefined ? null : { server, handle: decoded(handle) };
}

/** The handle a person typed: spaces, a leading at sign or a whole watch address are forgiven. */
export function typedHandle(text: string): string {
  return text.trim().replace(/^.*\/live\//, "").replace(/^@/, "").replace(/[/?#].*$/, "");
}

function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}

/** `0.9 s`; an en dash where there is nothing to say yet. */
export function secondsText(seconds: number | null): string {
  return seconds === null ? "–" : `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
}

/** `3.2 Mbit/s`, `640 kbit/s`; an en dash for nothing. */
export function bitRateText(bitsPerS: number): string {
  if (bitsPerS <= 0) {
    return "–";
  }
  const megabits = bitsPerS / 1e6;
  return megabits >= 1 ? `${megabits.toFixed(1)} Mbit/s` : `${Math.round(bitsPerS / 1e3)} kbit/s`;
}

/** What a rendition is called in the quality menu: `1080p`, `720p60`, or its bit rate. */
export function levelText(height: number, frameRate: number, bitsPerS: number): string {
  if (height <= 0) {
    return bitRateText(bitsPerS);
  }
  return frameRate > 31 ? `${height}p${Math.round(frameRate)}` : `${height}p`;
}

/** A format people have heard of. */
interface Format {
  name: string;
  medium: "video" | "sound";
}

// By how their RFC 6381 strings begin; the first that fits counts.
const FORMATS: [string, Format][] = [
  ["avc1", { name: "H.264", medium: "video" }],
  ["hvc1", { name: "H.265 (HEVC)", medium: "video" }],
  ["av01", { name: "AV1", medium: "video" }],
  ["vp09", { name: "VP9", medium: "video" }],
  ["mp4a.40.34", { name: "MP3", medium: "sound" }],
  ["mp4a", { name: "AAC", medium: "sound" }],
  ["opus", { name: "Opus", medium: "sound" }],
  ["flac", { name: "FLAC", medium: "sound" }],
  ["ac-3", { name: "Dolby Digital", medium: "sound" }],
  ["ec-3", { name: "Dolby Digital Plus", medium: "sound" }],
];

function formatOf(codec: string): Format | undefined {
  return FORMATS.find(([beginning]) => codec.toLowerCase().startsWith(beginning))?.[1];
}

/** Whether a show sent as `codecs` has nothing but that medium, as far as their names are known. */
export function isOnly(medium: "video" | "sound", codecs: string[]): boolean {
  return codecs.length > 0 && codecs.every((codec) => formatOf(codec)?.medium === medium);
}

/** What people call a show's codecs: `H.265 (HEVC) and AAC`. */
export function codecsText(codecs: string[]): string {
  const names = codecs.map((codec) => formatOf(codec)?.name ?? codec);
  return [...new Set(names)].join(" and ");
}

// Beyond this the two clocks (the server's and this device's) disagree, not the pictures.
const CLOCK_DOUBT_S = 3;

/**
 * The latency to show: time of day now minus the time of day of the picture, unless that is
 * impossible next to the distance from the live edge, which needs no clock but misses the time
 * that media took to reach the playlist. It is never less than that distance: an encoder that ran
 * ahead of the clock when it started (ffmpeg does) has given its pictures times still to come.
 */
export function shownLatencyS(dateS: number | null, edgeS: number | null): number | null {
  if (dateS === null || edgeS === null) {
    return dateS !== null && dateS >= 0 ? dateS : edgeS;
  }
  return Math.abs(dateS - edgeS) > CLOCK_DOUBT_S ? edgeS : Math.max(dateS, edgeS);
}
