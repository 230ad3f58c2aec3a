/** Cuts text to a number of characters without splitting a surrogate pair. */

/** The longest prefix of at most `length` UTF-16 units that ends between characters. */
export function headOf(text: string, length: number): string {
  const end = Math.max(0, Math.min(length, text.length));
  return text.slice(0, splitsPair(text, end) ? end - 1 : end);
}

/** The longest suffix of at most `length` UTF-16 units that starts between characters. */
export function tailOf(text: string, length: number): string {
  const start = text.length - Math.max(0, Math.min(length, text.length));
  return text.slice(splitsPair(text, start) ? start + 1 : start);
}

/**
 * Keeps the first 40% and the last 60% of a text that exceeds `limit`, with a notice in between: errors stand
 * at the end. `alreadyMissing` counts units that were cut out of the middle before.
 */
export function capMiddle(text: string, limit: number, alreadyMissing = 0): string {
  if (text.length <= limit && alreadyMissing === 0) return text;
  const headLength = Math.floor(limit * 0.4);
  const head = headOf(text, Math.min(headLength, Math.ceil(text.length / 2)));
  const tail = tailOf(text, Math.min(limit - headLength, text.length - head.length));
  const missing = text.length - head.length - tail.length + alreadyMissing;
  const total = text.length + alreadyMissing;
  return `${head}\n\n... [OUTPUT TRUNCATED: ${missing} of ${total} characters left out] ...\n\n${tail}`;
}

function splitsPair(text: string, index: number): boolean {
  const before = text.charCodeAt(index - 1);
  const after = text.charCodeAt(index);
  return before >= 0xd800 && before <= 0xdbff && after >= 0xdc00 && after <= 0xdfff;
}
