/** "Did you mean" for names that people type. */
import leven from "leven";

/** The known name closest to what was typed, or undefined where none is close enough to be meant. */
export function nearestName(typed: string, known: readonly string[]): string | undefined {
  const wanted = normalise(typed);
  let best: { name: string; distance: number } | undefined;
  for (const name of known) {
    const candidate = normalise(name);
    const distance = leven(wanted, candidate);
    if (best === undefined || distance < best.distance) best = { name, distance };
  }
  if (best === undefined) return undefined;
  const allowed = Math.max(2, Math.floor(Math.max(typed.length, best.name.length) / 3));
  if (best.distance <= allowed) return best.name;
  return known.find((name) => wanted.length >= 4 && normalise(name).includes(wanted));
}

/** Case and separators are what people mistype most: `groupSize`, `group-size` and `group_size` are equal. */
function normalise(name: string): string {
  return name.toLowerCase().replace(/[-_.\s]/g, "");
}
