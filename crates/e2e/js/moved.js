// When the picture of a page's video moved, as spans of a clock that all pages share: in
// `globalThis.moved`. The last one is open while it moves.

globalThis.moved = [];
globalThis.sharedNow = () => performance.timeOrigin + performance.now();

// Events of media do not bubble, but they can be caught on their way.
document.addEventListener("playing", () => globalThis.moved.push([globalThis.sharedNow()]), true);
for (const name of ["waiting", "pause", "seeking", "ended"]) {
  const stopped = () => {
    const last = globalThis.moved.at(-1);
    if (last) last[1] ??= globalThis.sharedNow();
  };
  document.addEventListener(name, stopped, true);
}
/** The spans so far. */
globalThis.movedUntilNow = () =>
  globalThis.moved.map(([from, to]) => [from, to ?? globalThis.sharedNow()]);
