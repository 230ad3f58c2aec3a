/** "Did you mean": the known names nearest to one that does not exist. */
import leven from "leven";

/** Up to `limit` candidates that are close enough to be meant, nearest first. */
export function closestNames(wanted: string, candidates: Iterable<string>, limit: number): string[] {
  const target = normalise(wanted);
  const near: { name: string; distance: number }[] = [];
  for (const name of new Set(candidates)) {
    const candidate = normalise(name);
    const contained =
      Math.min(target.length, candidate.length) >= 3 &&
      (candidate.includes(target) || target.includes(candidate));
    // Two letters that changed places are a distance of 2.
    const length = Math.max(target.length, candidate.length);
    const allowed = Math.max(Math.min(2, Math.floor(length / 2)), Math.floor(length / 3));
    const distance = leven(target, candidate, { maxDistance: allowed + 1 });
    if (contained || distance <= allowed) near.push({ name, distance });
  }
  return near
    .sort((a, b) => a.distance - b.distance || (a.name < b.name ? -1 : 1))
    .slice(0, limit)
    .map(({ name }) => name);
}

/** The one candidate that was most likely meant; undefined where none is close enough. */
export function nearestName(wanted: string, candidates: Iterable<string>): string | undefined {
  return closestNames(wanted, candidates, 1)[0];
}

/** Case and separators are what people mistype most: `groupSize`, `group-size` and `group_size` are equal. */
function normalise(name: string): string {
  return name.toLowerCase().replace(/[-_\s]/g, "");
}
