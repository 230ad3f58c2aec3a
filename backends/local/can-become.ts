/**
 * Root of the machine starts sandboxes as another user. Root of a user namespace that holds no other user
 * (rootless containers on clusters, `unshare -r`) is a plain user outside and has nobody to become.
 */
import { readFileSync } from "node:fs";

/** True when this process is root, and the id is one that its user namespace knows. */
export function canBecome(id: number): boolean {
  if (process.getuid?.() !== 0) return false;
  return ["/proc/self/uid_map", "/proc/self/gid_map"].every((path) =>
    isMapped(readFileSync(path, "utf8"), id),
  );
}

/** `map` is what the kernel shows: lines of the first id inside, the first outside, and how many. */
export function isMapped(map: string, id: number): boolean {
  return map
    .trim()
    .split("\n")
    .map((line) => line.trim().split(/\s+/).map(Number))
    .some(([first = 0, _outside, count = 0]) => id >= first && id < first + count);
}
