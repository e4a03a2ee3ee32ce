// Sets of stretches of time, [start, end] each.

/** The same time without overlaps, in order. */
export function union(stretches) {
  const joined = [];
  for (const [start, end] of [...stretches].sort((a, b) => a[0] - b[0])) {
    const last = joined.at(-1);
    if (last && start <= last[1]) last[1] = Math.max(last[1], end);
    else joined.push([start, end]);
  }
  return joined;
}

/** What of a union is in none of `others`, a union too. */
export function minus(stretches, others) {
  return others.reduce(
    (left, [from, to]) =>
      left.flatMap(([start, end]) =>
        [[start, Math.min(end, from)], [Math.max(start, to), end]].filter(([a, b]) => a < b),
      ),
    stretches,
  );
}

export function length(stretches) {
  return stretches.reduce((sum, [start, end]) => sum + end - start, 0);
}
