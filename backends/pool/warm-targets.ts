/**
 * How many warm slots each kind of sandbox should have: the pool's size, shared out as the latest requests were
 * (largest remainders). A tie goes to the kind that has more slots already, so that nothing is thrown away for
 * nothing, then to the one asked for later.
 */

/** `recent`: the kinds of the latest requests, the last one last. `present`: slots that each kind has. */
export function warmTargets(
  recent: readonly string[],
  size: number,
  present: ReadonlyMap<string, number>,
): Map<string, number> {
  const requests = new Map<string, { count: number; last: number }>();
  for (const [last, kind] of recent.entries()) {
    requests.set(kind, { count: (requests.get(kind)?.count ?? 0) + 1, last });
  }
  const shares = [...requests].map(([kind, { count, last }]) => {
    const exact = (size * count) / recent.length;
    const whole = Math.floor(exact);
    return { kind, whole, remainder: exact - whole, spare: (present.get(kind) ?? 0) - whole, last };
  });
  let left = size - shares.reduce((sum, { whole }) => sum + whole, 0);
  if (shares.length === 0) left = 0;
  shares.sort((a, b) => b.remainder - a.remainder || b.spare - a.spare || b.last - a.last);
  return new Map(shares.map(({ kind, whole }, index) => [kind, whole + (index < left ? 1 : 0)]));
}
