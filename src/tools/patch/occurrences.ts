/** Finds one sequence in another in linear time, whatever the two are made of (Knuth, Morris and Pratt). */

type Sequence<T> = { readonly length: number; readonly [index: number]: T };

/** Where `needle` starts in `haystack`, from left to right, none overlapping another; from `from` on. */
export function occurrences<T extends string | number>(
  haystack: Sequence<T>,
  needle: Sequence<T>,
  from = 0,
): number[] {
  const found: number[] = [];
  if (needle.length === 0) return found;
  const fallback = new Int32Array(needle.length);
  for (let at = 1, matched = 0; at < needle.length; at++) {
    while (matched > 0 && needle[at] !== needle[matched]) matched = fallback[matched - 1] ?? 0;
    if (needle[at] === needle[matched]) matched += 1;
    fallback[at] = matched;
  }
  for (let at = from, matched = 0; at < haystack.length; at++) {
    while (matched > 0 && haystack[at] !== needle[matched]) matched = fallback[matched - 1] ?? 0;
    if (haystack[at] === needle[matched]) matched += 1;
    if (matched === needle.length) {
      found.push(at + 1 - needle.length);
      matched = 0;
    }
  }
  return found;
}

/** Lines as numbers: equal after `normalise` means equal numbers. Lines that `haystack` lacks are -1 in `needle`. */
export function internLines(
  haystack: readonly string[],
  needle: readonly string[],
  normalise: (line: string) => string,
): { haystack: Int32Array; needle: Int32Array } {
  const ids = new Map<string, number>();
  const idOf = (line: string) => {
    const key = normalise(line);
    const id = ids.get(key) ?? ids.size;
    ids.set(key, id);
    return id;
  };
  return {
    haystack: Int32Array.from(haystack, idOf),
    needle: Int32Array.from(needle, (line) => ids.get(normalise(line)) ?? -1),
  };
}
