import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { encodeNode } from "../../../src/rollout-api/json/json-node.ts";
import { parseJson } from "../../../src/rollout-api/json/parse-json.ts";
import { jsonText } from "../../support/json-text.ts";
import { judge, pythonProblem } from "../../support/python-json.ts";

function verdictOf(text: string) {
  const parsed = parseJson(text);
  if (parsed.ok) return { text: encodeNode(parsed.node) };
  return parsed.reason === "syntax" ? { error: parsed.message, position: parsed.offset } : parsed;
}

/** Pieces that JSON is made of, and pieces that break it. */
const fragment = fc.constantFrom(
  ...["{", "}", "[", "]", ",", ":", '"', '"a"', '"a":1', "1", "-", "01", "1.", "1e", "-1.5", "nul", "null"],
  ...[
    "true",
    " ",
    "\n",
    '"\\',
    '"\\u12',
    '"\\x"',
    '"\\u00e9"',
    '"\u0001"',
    "é",
    "😀",
    "NaN",
    "-Infinity",
    "'",
  ],
);
const broken = fc.array(fragment, { maxLength: 8 }).map((fragments) => fragments.join(""));

describe.skipIf(pythonProblem() !== undefined)("against Python's json module", () => {
  test("reads and writes again to the same text", () => {
    const documents = fc.sample(jsonText, { numRuns: 1500, seed: 7 });
    const verdicts = judge(documents);
    for (const [index, document] of documents.entries()) {
      const ours = verdictOf(document);
      const theirs = verdicts[index];
      // More than 17 digits are kept where Python rounds the text: the value is what must agree.
      if (
        "text" in ours &&
        theirs !== undefined &&
        ours.text !== undefined &&
        "text" in theirs &&
        ours.text !== theirs.text
      ) {
        expect({ document, value: JSON.parse(ours.text) }).toEqual({
          document,
          value: JSON.parse(theirs.text),
        });
        expect({ document, digits: /\d{16}/.test(document) }).toEqual({ document, digits: true });
      } else expect({ document, verdict: ours }).toEqual({ document, verdict: theirs });
    }
  });

  test("finds the same fault at the same place", () => {
    const documents = fc.sample(broken, { numRuns: 4000, seed: 7 });
    const verdicts = judge(documents);
    for (const [index, document] of documents.entries()) {
      const theirs = verdicts[index];
      // Python 3.13 has a message of its own for these.
      if (theirs !== undefined && "error" in theirs && theirs.error.startsWith("Illegal trailing comma"))
        continue;
      // Non-finite numbers are echoed as strings.
      if (theirs !== undefined && "text" in theirs && /NaN|Infinity/.test(theirs.text)) continue;
      expect({ document, verdict: verdictOf(document) }).toEqual({ document, verdict: theirs });
    }
  });
});

test("JSON nested beyond all use is refused without exhausting the stack", () => {
  expect(parseJson("[".repeat(100_000))).toEqual({ ok: false, reason: "too-deep" });
});

test.each([
  ["{bad", "Expecting property name enclosed in double quotes", 1],
  ['{"tokens":[[1,2', "Expecting ',' delimiter", 15],
  ["", "Expecting value", 0],
  ["  ", "Expecting value", 2],
  ['["😀" x]', "Expecting ',' delimiter", 5],
])("%j fails with %s at %i", (text, message, offset) => {
  expect(parseJson(text)).toEqual({ ok: false, reason: "syntax", message, offset });
});
