/** `<arg_key>K</arg_key>\s*<arg_value>V</arg_value>`, the pairs of GLM and the formats that took them over. */

export type KeyValueTags = { keyStart: string; keyEnd: string; valueStart: string; valueEnd: string };

export type KeyValuePairs = {
  pairs: [key: string, value: string][];
  /** What is left without its end. */
  open?: { key?: string; value?: string };
};

/** The tags with what a tokenizer may add to each. */
export function keyValueTags(suffix = ""): KeyValueTags {
  return {
    keyStart: `<arg_key${suffix}>`,
    keyEnd: `</arg_key${suffix}>`,
    valueStart: `<arg_value${suffix}>`,
    valueEnd: `</arg_value${suffix}>`,
  };
}

/** A key goes up to the end tag that a value follows, so that it may hold another one. Linear. */
export function readKeyValuePairs(raw: string, tags: KeyValueTags): KeyValuePairs {
  const middle = new RegExp(`${tags.keyEnd}\\s*${tags.valueStart}`, "g");
  const pairs: [string, string][] = [];
  let position = 0;
  for (;;) {
    const start = raw.indexOf(tags.keyStart, position);
    if (start < 0) return { pairs };
    const keyFrom = start + tags.keyStart.length;
    middle.lastIndex = keyFrom;
    const between = middle.exec(raw);
    if (between === null) return { pairs, open: {} };
    const key = raw.slice(keyFrom, between.index);
    const end = raw.indexOf(tags.valueEnd, middle.lastIndex);
    if (end < 0) return { pairs, open: { key, value: raw.slice(middle.lastIndex) } };
    pairs.push([key, raw.slice(middle.lastIndex, end)]);
    position = end + tags.valueEnd.length;
  }
}
