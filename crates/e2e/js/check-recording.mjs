// Reads a recorded show with parsers that are not ours, and prints one line per problem.
//
//   node check-recording.mjs FOLDER
//
// Every playlist goes through hls-parser in strict mode and through m3u8-parser; every part and
// segment, behind its init segment, through mp4box. Exit code 1 when there is a problem.
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import hlsParser from "hls-parser";
import { Parser } from "m3u8-parser";
import { createFile } from "mp4box";

const folder = process.argv[2];
const names = readdirSync(folder).sort();
const problems = [];
let playlists = 0;
let fragments = 0;

// Where hls-parser is stricter than the rule, which our own checks hold exactly. It asks for 85 % of
// the part target of independent parts and of parts before a gap, too. It counts three segments
// instead of three target durations, and a lone preload hint as a segment.
const KNOWN_FALSE = /PART-TARGET|three target durations/;

hlsParser.setOptions({ strictMode: true, silent: true });
for (const name of names.filter((name) => name.endsWith(".m3u8"))) {
  playlists += 1;
  const text = readFileSync(join(folder, name), "utf8");
  try {
    hlsParser.parse(text);
  } catch (error) {
    if (!KNOWN_FALSE.test(error.message)) problems.push(`${name}: hls-parser: ${error.message}`);
  }
  const parser = new Parser();
  parser.on("warn", ({ message }) => problems.push(`${name}: m3u8-parser: ${message}`));
  parser.push(text);
  parser.end();
  const { manifest } = parser;
  if (!manifest.targetDuration) problems.push(`${name}: m3u8-parser read no target duration`);
}

/** The init segment that each media file needs, by the playlists' EXT-X-MAP. */
function initOf() {
  const byUri = new Map();
  for (const name of names.filter((name) => name.endsWith(".m3u8"))) {
    let map = null;
    for (const line of readFileSync(join(folder, name), "utf8").split("\n")) {
      map = /^#EXT-X-MAP:.*URI="([^"]+)"/.exec(line)?.[1] ?? map;
      const uri = /^#EXT-X-PART:.*URI="([^"]+)"/.exec(line)?.[1] ?? line;
      if (uri.endsWith(".m4s") && !uri.startsWith("#")) byUri.set(uri, map);
    }
  }
  return byUri;
}

/** Reads init segment and fragment with mp4box; gives the number of samples. */
function samplesOf(init, media) {
  const file = createFile();
  let failure = null;
  let count = 0;
  file.onError = (module, message) => (failure = `${module} ${message}`);
  file.onReady = (info) => {
    for (const { id } of info.tracks) file.setExtractionOptions(id, null, { nbSamples: 1000 });
    file.start();
  };
  file.onSamples = (_id, _user, samples) => (count += samples.length);
  let position = 0;
  for (const bytes of [init, media]) {
    const buffer = new Uint8Array(bytes).buffer;
    buffer.fileStart = position;
    position += buffer.byteLength;
    file.appendBuffer(buffer);
  }
  file.flush();
  if (failure) throw new Error(failure);
  return count;
}

for (const [uri, map] of initOf()) {
  if (!names.includes(uri)) continue;
  fragments += 1;
  try {
    const count = samplesOf(readFileSync(join(folder, map)), readFileSync(join(folder, uri)));
    if (count === 0) problems.push(`${uri}: mp4box found no samples`);
  } catch (error) {
    problems.push(`${uri}: mp4box: ${error.message}`);
  }
}

if (playlists === 0 || fragments === 0) problems.push("the recording is empty");
for (const problem of problems.slice(0, 20)) console.log(problem);
console.log(`${playlists} playlists, ${fragments} fragments, ${problems.length} problems`);
process.exitCode = problems.length > 0 ? 1 : 0;
