/** `key="value"` pairs in the head of a tag. */

const lastWord = /[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\u200c\u200d]$/u;

/** All pairs, wherever they stand; of a repeated key the last one counts. Linear, as a search for `\w+=` is not. */
export function namedAttributes(text: string, decode: (value: string) => string): Map<string, string> {
  const attributes = new Map<string, string>();
  let position = 0;
  for (;;) {
    const at = text.indexOf('="', position);
    if (at < 0) return attributes;
    let start = at;
    while (start > position && lastWord.test(text.charAt(start - 1))) start--;
    const end = start === at ? -1 : text.indexOf('"', at + 2);
    if (start < at && end < 0) return attributes;
    if (end >= 0) attributes.set(text.slice(start, at), decode(text.slice(at + 2, end)));
    position = end >= 0 ? end + 1 : at + 2;
  }
}
