import { createHash } from "node:crypto";

/** A 31-bit seed that depends on every part: children of one root are independent, and the same each run. */
export function deriveSeed(root: number, ...parts: readonly (string | number)[]): number {
  const digest = createHash("sha256")
    .update(JSON.stringify([root, ...parts]))
    .digest();
  return digest.readUInt32BE(0) >>> 1;
}
