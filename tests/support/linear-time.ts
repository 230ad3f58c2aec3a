/**
 * Shows that work grows linearly with its input: by the ratio between sizes, never by a limit in seconds, so that a
 * slow or busy machine changes nothing. Growing by steps, it fails long before a quadratic run would take hours.
 */
import { expect } from "vitest";

/**
 * Characters of a worst case: 10 MB where LACHESIS_LONG_TESTS is set (the linear growth that shows there shows at a
 * fifth of it as well, and every family has its worst cases).
 */
export const worstCaseLength = process.env.LACHESIS_LONG_TESTS ? 10_000_000 : 2_000_000;

const growth = 4;
/** Linear work would need a ratio of 4, quadratic of 16; below this many milliseconds a ratio says nothing. */
const tolerance = 2.5;
const noiseMs = 80;

/** Runs `work` on `piece` repeated to ever longer texts, up to `length`. */
export function expectLinear(piece: string, length: number, work: (text: string) => void): void {
  let previous: number | undefined;
  for (const size of sizesUpTo(length)) {
    // The repetition is a rope until something reads it; flattening it is not the work to be measured.
    const text = Buffer.from(piece.repeat(Math.ceil(size / piece.length))).toString();
    let spent = measure(text, work);
    if (previous !== undefined) {
      const limit: number = previous * growth * tolerance + noiseMs;
      for (let again = 0; again < 2 && spent > limit; again++) spent = Math.min(spent, measure(text, work));
      expect(spent, `${size} characters of ${JSON.stringify(piece)} (ms)`).toBeLessThan(limit);
    }
    previous = spent;
  }
}

function sizesUpTo(length: number): number[] {
  const sizes = [length];
  while ((sizes[0] ?? 0) > 30_000) sizes.unshift(Math.round((sizes[0] ?? 0) / growth));
  return sizes;
}

/** CPU time, so that other processes on the machine don't count. */
function measure(text: string, work: (text: string) => void): number {
  const before = process.cpuUsage();
  work(text);
  return process.cpuUsage(before).user / 1000;
}
