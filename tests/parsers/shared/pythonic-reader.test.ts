import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { dumpJson } from "../../../parsers/shared/json-calls.ts";
import {
  PythonProblem,
  readExpression,
  readFirstStatement,
} from "../../../parsers/shared/pythonic-reader.ts";
import { literalValue, pythonicCall, pythonRepr } from "../../../parsers/shared/pythonic-values.ts";
import { expectLinear, worstCaseLength } from "../../support/linear-time.ts";
import { argumentDicts } from "../../support/parser-contract.ts";
import { type CallListVerdict, judgeCallLists } from "../../support/python-call-list.ts";
import { pythonProblem } from "../../support/python-json.ts";

const problem = pythonProblem();
const seed = 20261121;

function ours(text: string): CallListVerdict {
  const node = readFirstStatement(text);
  if (node instanceof PythonProblem || node.kind !== "list") return null;
  const calls: [string, string][] = [];
  for (const item of node.items) {
    const call = pythonicCall(item, "vllm");
    if (!call.ok) return null;
    calls.push([call.name, dumpJson(call.arguments)]);
  }
  return calls;
}

function expectPythonsVerdict(texts: readonly string[]): void {
  const verdicts = judgeCallLists(texts);
  expect(texts.map((text) => ({ text, calls: ours(text) }))).toEqual(
    texts.map((text, index) => ({ text, calls: verdicts[index] })),
  );
}

describe.skipIf(problem !== undefined)(
  `the reader against Python's ast (${problem ?? "python3 is here"})`,
  () => {
    const values =
      String.raw`1|-1|+1|1_000|1__0|1_|07|00|0x1F|0o17|0b101|0x|1.50|1.|.5|1e5|1E+22|1e999|07.5|1j|1e|12abc|
    'a'|"a"|'it\'s'|"it's"|'a' "b"|'a' b'b'|u'a'|b'a'|b'é'|r'\n\'|r'\n'|ur'a'|rb'a'|f'a'|f'{x}'|'é天😀'|'\x41\u00e9\U0001F600'|
    '\x4'|'\u12'|'\U00110000'|'\101\400\0'|'\q\d'|'\a\b\f\v\t'|'''a'b''c'''|"""a""b"""|'''a|'a|''|''''''|"\""|'\\'|'\\\''|
    None|True|False|null|true|false|nul|x|x.y|x[1]|x[1:2]|x[1:2:3:4]|f(1)|...|[]|[1]|[1,]|[,]|[1,,2]|[[1, 'x'], {}]|[*x]|
    {}|{'a': 1}|{'a': 1,}|{'a'}|{'a': 1, 'b'}|{1: 2}|{1.5: 2}|{None: 1, False: 2}|{a: 1}|{**x}|{'a': 1, **x}|{'a': 1, 'a': 2}|
    ()|(1)|('x')|(1,)|(1, 2)|((1))|1 + 2|'a' + 'b'|'a' % 1|not 1|1 if x else 2|1 if x|1 and 2|x is not y|x not in y|x not y|
    1 < 2|~1|- 1|--1|lambda: 1|x for x in y|await x|x := 1|*x|**x|1 2|x y|'a' x|print|match|if|import|$|é|ﬁ|¹`
        .split("|")
        .map((value) => value.trim());

    test("takes and refuses the values that Python takes and refuses", () => {
      // Lambdas, comprehensions and the like are refused, which for a value is the same verdict.
      expectPythonsVerdict(values.map((value) => `[f(a=${value})]`));
      expectPythonsVerdict(values.map((value) => `[f(a=[${value}], b={'k': ${value}})]`));
    });

    test("takes and refuses the shapes of calls that Python takes and refuses", () => {
      expectPythonsVerdict(
        `[]|[f()]|[f(a=1,)]|[f(,)]|[f(a=1,,)]|[f(a=1), g(b=2)]|[f(a=1) g(b=2)]|[f(a=1),]|[f(a=1)|f(a=1)]|[f(a=1]|[f(a=1))]|
        [a.b(x=1)]|[a.b.c()]|[a . b (x = 1)]|[a.if(x=1)]|[a().b()]|[f(a=1)(b=2)]|[f()()]|[x[0](a=1)]|[(f)(a=1)]|[(a.b)(c=1)]|[(f(a=1))]|
        [f(1)]|[f('x', y=1)]|[f(y=1, 'x')]|[f(*x, y=1)]|[f(y=1, *x)]|[f(**x)]|[f(**{'a': 1})]|[f(a=1, **{'b': 2}, c=3)]|
        [f(**x, *y)]|[f(**x, 1)]|[f(a=1, a=2)]|[f(a.b=1)]|[f((a)=1)]|[f('a'=1)]|[f(1=2)]|[f(None=1)]|[f(if=1)]|[f(match=1, type=2, _=3)]|
        [f(print=1)]|[f(é=1)]|[f(ﬁ=1)]|[f(a==1)]|[f(a=1, b)]|[1]|[f]|[f(), 1]|(f(a=1),)|f(a=1)|{f(a=1)}|[f(a=1)].x|[f(a=1)] + [g()]|
        [f(a=1)], 2|[f(a=1)],|[f(a=1)] = 3|[f(a=1)];|[f(a=1)];;|[f(a=1)]; x|[f(a=1)] ; [g()]|[f(a=1)]# done|[f(a=1)] Done|
        x = [f(a=1)]|x: y = [f(a=1)]|[-1, f()]|[f(x[1:2, ::3])]|[f(x[])]|[f(1 if 2 else 3 if 4 else 5)]|[f(1 if 2 if 3 else 4 else 5)]|
        [f(not not x, - + ~ x ** -y)]|[f(1 + not x)]|[f(x == not y)]|[f(x and not y)]|[f({1, 2}, {1: 2}, (1, 2), (*x,))]|[f((*x))]|[f({*x})]`
          .split("|")
          .map((text) => text.trim()),
      );
    });

    test("takes and refuses whitespace, comments and further statements as Python does", () => {
      expectPythonsVerdict([
        "[f(a=1)]\n",
        " [f(a=1)]",
        "\n[f(a=1)]",
        "\n  [f(a=1)]",
        "[\n f(\n  a\n=\n1\n)\n]",
        "[f(a=1)]\r\n",
        "[f(a=1, # one\n b=2)] # two\n# three",
        "[f(a=1\\\n)]",
        "[f(a=1)]\\\n",
        "[f(a=1)]\\",
        "[f(a=1) \\ ]",
        "[f(a=1)]\nDone",
        "[f(a=1)]\nDone.",
        "[f(a=1)]\nI am done",
        "[f(a=1)]\nNote: done",
        "[f(a=1)]\n[g(b=2)]",
        "[f(a=1)]\n  x",
        "[f(a=1)]\n\n   # only a comment\n   \n",
        "[f(a=1)]; x\ny",
        "[f(a='x\ny')]",
        "[f(a='''x\r\ny\rz''')]",
        "[f(a='x\\\ny')]",
        "[f(a='x\\\r\ny')]",
        "[f(a=1\f)]",
        "[f(a=1\u00a0)]",
        "[f(a=1\u2028)]",
        "[f(a='\u2028\u0085\u0001')]",
        "\ufeff[f()]",
        "",
        "#",
      ]);
    });

    test("has CPython's limits", () => {
      const nested = (depth: number) => `[f(a=${"[".repeat(depth)}${"]".repeat(depth)})]`;
      const digits = (count: number) => `[f(a=${"9".repeat(count)})]`;
      expectPythonsVerdict([
        nested(198),
        nested(199),
        digits(4300),
        digits(4301),
        `[f(a=0x${"f".repeat(3600)})]`,
      ]);
    });

    test("agrees with Python on texts of random pieces", () => {
      const pieces =
        String.raw`[|]|(|)|{|}|,|:|=|.|'|"|\|\'|'''|f|g|a|b=|a=1|a='x'|f(|f()|f(a=1)|null|True|-|1|0x1|1.5|r'|b'|u"| |x|not |if | else |# |*|**|é`
          .split("|")
          .concat("\n", "\\\n", "\r\n");
      const text = fc.array(fc.constantFrom(...pieces), { maxLength: 9 }).map((chosen) => chosen.join(""));
      const listed = fc.oneof(
        text,
        text.map((inner) => `[f(a=${inner})]`),
        text.map((inner) => `[f(${inner}), g(b=2)]`),
        text.map((inner) => `[f(a='${inner}')]`),
        text.map((after) => `[f(a=1)]${after}`),
      );
      expectPythonsVerdict(
        fc.sample(listed, { numRuns: 6000, seed }).filter((sample) => !/\bfor\b/.test(sample)),
      );
    });

    test("writes values that Python reads as the same values", () => {
      const dicts = fc.sample(argumentDicts(["'", "\\N{BULLET}", "\u2028", "\r", "'''"]), {
        numRuns: 500,
        seed,
      });
      const positive = dicts.filter((dict) => !dumpJson(dict).includes("-"));
      const verdicts = judgeCallLists(positive.map((dict) => `[f(a=${pythonRepr(dict)})]`));
      expect(verdicts).toEqual(positive.map((dict) => [["f", dumpJson(new Map([["a", dict]]))]]));
    });
  },
);

test("lenient values are what the model can only have meant", () => {
  const read = (text: string) => {
    const node = readExpression(text, 0);
    const value = node instanceof PythonProblem ? undefined : literalValue(node, "lenient");
    return value === undefined ? undefined : dumpJson(value);
  };
  expect(
    ["-1", "-2.5", "(1, 'a')", "{1, 2}", "{-1: ()}", "+3", "--1", "1+1", "b'x'", "f'x'"].map(read),
  ).toEqual([
    "-1",
    "-2.5",
    '[1, "a"]',
    "[1, 2]",
    '{"-1": []}',
    "3",
    undefined,
    undefined,
    undefined,
    undefined,
  ]);
});

test("says why a text is no call, in words for the model", () => {
  const reason = (text: string) => {
    const node = readExpression(text, 0);
    if (node instanceof PythonProblem) return node.reason;
    const call = pythonicCall(node, "lenient");
    return call.ok ? "" : call.reason;
  };
  expect(["f(a='x", "f(a=1", "f(1)", "f(a=x)", "f(a=1+1)", "f(a=,)"].map(reason)).toEqual([
    "a string is not closed",
    "the text ends too early",
    "Every argument of f must be given by its name, as in f(x=1).",
    "The argument a of f must be a literal, got the name x.",
    "The argument a of f must be a literal, got an operation.",
    '"," is not expected here',
  ]);
});

test.each([
  ["["],
  ["[f(a='"],
  ["[f(a=1), "],
  ["f("],
  ["a."],
  ["\\"],
  ["-"],
  ["'\\x41' "],
  ["1 + "],
  ["not "],
])(
  "reads megabytes of %s in linear time",
  (piece) => {
    expectLinear(piece, worstCaseLength, (text) => void readFirstStatement(text));
  },
  120_000,
);
