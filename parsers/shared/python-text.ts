/**
 * Text as Python sees it: what counts as whitespace, and which texts `int()` and `float()` take. JavaScript's own
 * functions differ in a few characters (U+001C..U+001F, U+0085, U+FEFF), in underscores and in non-ASCII digits.
 */

/** The characters of `str.isspace()`, for use inside a regular expression's brackets. */
export const pythonSpaces =
  "\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";

/** `len(text) - len(text.lstrip())`. */
function leadingSpaces(text: string): number {
  let start = 0;
  while (start < text.length && isPythonSpace(text.charCodeAt(start))) start++;
  return start;
}

/** `text.lstrip()`. */
export function pythonStripStart(text: string): string {
  return text.slice(leadingSpaces(text));
}

/** `text.rstrip()`. */
export function pythonStripEnd(text: string): string {
  let end = text.length;
  while (end > 0 && isPythonSpace(text.charCodeAt(end - 1))) end--;
  return text.slice(0, end);
}

/** `text.strip()`. */
export function pythonStrip(text: string): string {
  return pythonStripEnd(pythonStripStart(text));
}

/** `not text.strip()`, without a copy. */
export function isBlank(text: string): boolean {
  return leadingSpaces(text) === text.length;
}

/** `str.isspace()` of one UTF-16 unit; no character beyond the first plane is whitespace. */
export function isPythonSpace(code: number): boolean {
  if (code <= 0x20) return code === 0x20 || (code >= 0x09 && code <= 0x0d) || (code >= 0x1c && code <= 0x1f);
  if (code < 0x85) return false;
  if (code <= 0xa0) return code === 0x85 || code === 0xa0;
  if (code >= 0x2000 && code <= 0x200a) return true;
  return (
    code === 0x1680 ||
    code === 0x2028 ||
    code === 0x2029 ||
    code === 0x202f ||
    code === 0x205f ||
    code === 0x3000
  );
}

/** `sys.get_int_max_str_digits()`: longer integers raise a ValueError in Python. */
const maxDigits = 4300;

/** `int(text)`, or undefined where Python raises: allows spaces around, a sign, and single underscores. */
export function pythonInt(text: string): bigint | undefined {
  const number = asciiDigits(pythonStrip(text));
  if (!/^[+-]?\d+(?:_\d+)*$/.test(number)) return undefined;
  const digits = number.replaceAll("_", "");
  const unsigned = digits.startsWith("+") || digits.startsWith("-") ? digits.slice(1) : digits;
  if (unsigned.length > maxDigits) return undefined;
  return digits.startsWith("-") ? -BigInt(unsigned) : BigInt(unsigned);
}

const floatPattern = /^[+-]?(?:\d+(?:_\d+)*\.?(?:\d+(?:_\d+)*)?|\.\d+(?:_\d+)*)(?:[eE][+-]?\d+(?:_\d+)*)?$/;
const namedFloats = /^[+-]?(?:inf|infinity|nan)$/i;

/** `float(text)`, or undefined where Python raises. May be NaN or infinite, as in Python. */
export function pythonFloat(text: string): number | undefined {
  const number = asciiDigits(pythonStrip(text));
  if (floatPattern.test(number)) return Number(number.replaceAll("_", ""));
  if (!namedFloats.test(number)) return undefined;
  if (/nan$/i.test(number)) return Number.NaN;
  return number.startsWith("-") ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
}

/** Python reads the decimal digits of every script. */
function asciiDigits(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the whole of ASCII is meant.
  if (/^[\x00-\x7f]*$/.test(text)) return text;
  return text.replace(/\p{Nd}/gu, (digit) => String(digitValue(digit.codePointAt(0) ?? 0)));
}

/** Unicode keeps each script's digits in runs of ten, some right after one another. */
function digitValue(codePoint: number): number {
  let first = codePoint;
  while (/\p{Nd}/u.test(String.fromCodePoint(first - 1))) first--;
  return (codePoint - first) % 10;
}
