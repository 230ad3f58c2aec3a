import { spawnSync } from "node:child_process";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  pythonFloatRepr,
  pythonJsonDumps,
  pythonJsonParse,
  rawDecode,
  toPythonValue,
  tryPythonJsonParse,
} from "../../src/contracts/python-json.ts";
import { pythonProblem } from "../support/python-json.ts";

const script = `
import json, sys
sys.setrecursionlimit(20000)
verdicts = []
for kind, text in json.load(sys.stdin):
    try:
        if kind == "loose": value, end = json.loads(text, strict=False), 0
        elif kind == "raw": value, end = json.JSONDecoder().raw_decode(text, 1)
        else: value, end = json.loads(text), 0
        verdicts.append([json.dumps(value, ensure_ascii=False), json.dumps(value),
            json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False), end])
    except json.JSONDecodeError as error:
        verdicts.append([error.msg, error.pos])
    except ValueError as error:
        verdicts.append(["Exceeds the limit of digits of an integer", 0])
json.dump(verdicts, sys.stdout)
`;

type Kind = "strict" | "loose" | "raw";

function askPython(questions: readonly (readonly [Kind, string])[]): unknown[] {
  const { stdout, stderr, status } = spawnSync("python3", ["-c", script], {
    input: JSON.stringify(questions),
    encoding: "utf8",
    maxBuffer: 2 ** 28,
  });
  if (status !== 0) throw new Error(stderr);
  return JSON.parse(stdout);
}

function ask(kind: Kind, text: string): unknown {
  const read =
    kind === "raw"
      ? rawDecode(text, 1)
      : { ...tryPythonJsonParse(text, { allowControlCharacters: kind === "loose" }), end: 0 };
  if (!read.ok) return [read.message, read.position];
  return [
    pythonJsonDumps(read.value),
    pythonJsonDumps(read.value, { ensureAscii: true }),
    pythonJsonDumps(read.value, { indent: 2, sortKeys: true }),
    read.end,
  ];
}

const tricky = [
  ..."{}[]:,\"'\\/ \n\t\r\u000b\u0001".split(""),
  ..."0 1 -1 12 -0 00 1. .5 1.0 -0.0 1e5 1E+22 1e-05 1e16 123456789012345678 9.5e-7 1e400 -1e400 - + e".split(
    " ",
  ),
  ...'"a" "10" "2" "" "\\n" "\\u00e9" "\\ud83d\\ude00" "\\ud800" "\\udc00" "\\/" "\\x" "\\u12" "ü" "｜"'.split(
    " ",
  ),
  ..."null true false None nul tru NaN Infinity -Infinity -Inf nan inf".split(" "),
  '{"a": 1}',
  '{"b":[1,2.50],"a":{}}',
  '"a":',
  ", ",
];
const jsonLike = fc.array(fc.constantFrom(...tricky), { maxLength: 12 }).map((pieces) => pieces.join(""));
const json = fc.json({ maxDepth: 4, stringUnit: "binary" }).map((text) => text);
const broken = fc.tuple(json, fc.nat(), fc.constantFrom(...tricky)).map(([text, at, piece]) => {
  const cut = at % (text.length + 1);
  return text.slice(0, cut) + piece + text.slice(cut + 1);
});
// Python counts code points and JavaScript UTF-16 units: positions are comparable only below U+10000.
const comparable = (text: string) => !/[\ud800-\udfff]/.test(text);

describe.skipIf(pythonProblem() !== undefined)("JSON as Python has it", () => {
  test("reads, refuses and writes what Python's json does, with the same message and place", () => {
    const texts = fc.sample(fc.oneof(jsonLike, json, broken), { numRuns: 9000, seed: 7 }).filter(comparable);
    const kinds: readonly Kind[] = ["strict", "loose", "raw"];
    const questions = texts.flatMap((text) => kinds.map((kind) => [kind, text] as const));
    const digits = "9".repeat(4300);
    for (const text of [digits, `-${digits}`, `${digits}9`, `-${digits}9`]) questions.push(["strict", text]);
    const verdicts = askPython(questions);
    for (const [index, [kind, text]] of questions.entries()) {
      expect({ kind, text, verdict: ask(kind, text) }).toEqual({ kind, text, verdict: verdicts[index] });
    }
  });

  test("floats print as Python's repr", () => {
    const floats = fc.sample(fc.double({ noNaN: true, noDefaultInfinity: true }), { numRuns: 5000, seed: 3 });
    const near = Array.from({ length: 660 }, (_, index) => 1.5 * 10 ** (index - 330)).filter(Number.isFinite);
    const values = [...floats, ...near, 0, -0, 1e16, 2 ** 53, 123456.75, 0.0001, 0.00001];
    const { stdout } = spawnSync("python3", ["-c", "import sys\nfor x in sys.stdin: print(repr(float(x)))"], {
      input: values.map((value) => (Object.is(value, -0) ? "-0.0" : String(value))).join("\n"),
      encoding: "utf8",
    });
    expect(values.map(pythonFloatRepr)).toEqual(stdout.trimEnd().split("\n"));
  });
});

test("keeps what JavaScript's JSON loses", () => {
  const text = '{"10": 1.0, "2": 12345678901234567890, "a": [NaN, -Infinity], "é": "\\u00e9\\ud800"}';
  expect(pythonJsonDumps(pythonJsonParse(text))).toBe(
    '{"10": 1.0, "2": 12345678901234567890, "a": [NaN, -Infinity], "é": "é\ud800"}',
  );
});

test("keys sort by code point, as in Python", () => {
  const value = new Map([
    ["\u{1f600}", 1n],
    ["\uff5c", 2n],
  ]);
  expect(pythonJsonDumps(value, { sortKeys: true })).toBe('{"\uff5c": 2, "\u{1f600}": 1}');
});

test("whole numbers of JavaScript become ints", () => {
  expect(pythonJsonDumps(toPythonValue({ a: [1, 1.5, null, "x"], b: { c: true } }))).toBe(
    '{"a": [1, 1.5, null, "x"], "b": {"c": true}}',
  );
});

test("ten megabytes of open brackets are refused, not overflowed on", () => {
  for (const piece of ["[", '{"a":', '[{"a":[', "{", '"\\']) {
    expect(tryPythonJsonParse(piece.repeat(10_000_000 / piece.length)).ok).toBe(false);
  }
});

test("an error thrown says what and where", () => {
  expect(() => pythonJsonParse('{"a": }')).toThrow(new SyntaxError("Expecting value at position 6"));
});
