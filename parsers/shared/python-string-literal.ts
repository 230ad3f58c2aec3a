/** One quoted string of Python's, read as CPython reads it: escapes, raw strings, triple quotes. Linear in its length. */

type StringOptions = {
  /** Backslashes stay as they are. */
  raw: boolean;
  bytes: boolean;
};

export type ReadString =
  | { ok: true; value: string; end: number }
  | { ok: false; reason: string; reached: number };

const backslash = 0x5c;
const simpleEscapes: Readonly<Record<string, string>> = {
  "\n": "",
  "\\": "\\",
  "'": "'",
  '"': '"',
  a: "\x07",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
};
const hexLengths: Readonly<Record<string, number>> = { x: 2, u: 4, U: 8 };

export function isQuote(code: number): boolean {
  return code === 0x22 || code === 0x27;
}

/** The string whose opening quote stands at `start`. */
export function readPythonString(text: string, start: number, options: StringOptions): ReadString {
  const quote = text.charAt(start);
  const close = text.startsWith(quote.repeat(3), start) ? quote.repeat(3) : quote;
  const bodyStart = start + close.length;
  const bodyEnd = findClose(text, bodyStart, close);
  if (bodyEnd.close < 0) return { ok: false, reason: "a string is not closed", reached: bodyEnd.reached };
  // Python reads every kind of newline as \n.
  const body = text.slice(bodyStart, bodyEnd.close).replace(/\r\n?/g, "\n");
  const end = bodyEnd.close + close.length;
  if (options.bytes && !/^[\0-\x7f]*$/.test(body)) {
    return { ok: false, reason: "a bytes string may hold only ASCII", reached: end };
  }
  const value = options.raw ? body : resolveEscapes(body, options.bytes);
  if (value === undefined) return { ok: false, reason: "a string has an invalid escape", reached: end };
  return { ok: true, value, end };
}

function findClose(text: string, from: number, close: string): { close: number; reached: number } {
  const quote = close.charCodeAt(0);
  const isLong = close.length === 3;
  let position = from;
  for (; position < text.length; position++) {
    const code = text.charCodeAt(position);
    if (code === backslash) {
      position++;
      // An escaped CRLF is one newline.
      if (text.charCodeAt(position) === 0x0d && text.charCodeAt(position + 1) === 0x0a) position++;
    } else if (code === quote) {
      if (!isLong || text.startsWith(close, position)) return { close: position, reached: position };
    } else if (!isLong && (code === 0x0a || code === 0x0d)) break;
  }
  return { close: -1, reached: Math.min(position, text.length) };
}

function resolveEscapes(body: string, bytes: boolean): string | undefined {
  let at = body.indexOf("\\");
  if (at < 0) return body;
  const pieces: string[] = [];
  let plainFrom = 0;
  while (at >= 0) {
    pieces.push(body.slice(plainFrom, at));
    const letter = body.charAt(at + 1);
    const simple = simpleEscapes[letter];
    const hexLength = bytes && letter !== "x" ? undefined : hexLengths[letter];
    if (simple !== undefined) {
      pieces.push(simple);
      plainFrom = at + 2;
    } else if (letter >= "0" && letter <= "7" && letter !== "") {
      const [digits = ""] = /^[0-7]{1,3}/.exec(body.slice(at + 1, at + 4)) ?? [];
      pieces.push(String.fromCharCode(Number.parseInt(digits, 8)));
      plainFrom = at + 1 + digits.length;
    } else if (hexLength !== undefined) {
      const digits = body.slice(at + 2, at + 2 + hexLength);
      const point = Number.parseInt(digits, 16);
      if (digits.length !== hexLength || !/^[0-9a-fA-F]+$/.test(digits) || point > 0x10ffff) return undefined;
      pieces.push(String.fromCodePoint(point));
      plainFrom = at + 2 + hexLength;
    } else if (letter === "N" && !bytes) {
      return undefined;
    } else {
      // Unknown escapes keep their backslash.
      pieces.push("\\");
      plainFrom = at + 1;
    }
    at = body.indexOf("\\", plainFrom);
  }
  pieces.push(body.slice(plainFrom));
  return pieces.join("");
}
