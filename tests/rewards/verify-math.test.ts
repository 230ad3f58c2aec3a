import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { verifyMath } from "../../rewards/index.ts";
import { equalPairs, type Row, unequalPairs } from "./maths-pairs.ts";
import { verdicts } from "./maths-verdicts.ts";
import { verdictsOfForms } from "./maths-verdicts-of-forms.ts";
import { verdictsOfTexts } from "./maths-verdicts-of-texts.ts";

function pairsOf(rows: readonly Row[]): [string, string][] {
  return rows.flatMap(([gold, ...answers]) => answers.map((answer): [string, string] => [gold, answer]));
}

describe.each(Object.entries(equalPairs))("equal: %s", (_category, rows) => {
  test.each(pairsOf(rows))("%s is answered by %s", (gold, answer) => {
    expect(verifyMath(gold, answer)).toMatchObject({ equal: true });
  });
});

describe.each(Object.entries(unequalPairs))("unequal: %s", (_category, rows) => {
  test.each(pairsOf(rows))("%s isn't answered by %s", (gold, answer) => {
    expect(verifyMath(gold, answer)).toMatchObject({ equal: false });
  });
});

describe.each(Object.entries({ ...verdicts, ...verdictsOfTexts, ...verdictsOfForms }))(
  "%s",
  (_category, rows) => {
    test.each(rows)("%s: gold %s, answer %s", (equal, gold, answer) => {
      expect(verifyMath(gold, answer)).toMatchObject({ equal });
    });
  },
);

test("the table holds at least 300 pairs", () => {
  const rows = [...Object.values(equalPairs), ...Object.values(unequalPairs)].flat();
  expect(pairsOf(rows).length).toBeGreaterThanOrEqual(300);
});

describe("options", () => {
  test("precision is the number of decimal places that decimals are compared to", () => {
    expect(verifyMath("1/3", "0.333", { precision: 3 }).equal).toBe(true);
    expect(verifyMath("1/3", "0.333", { precision: 4 }).equal).toBe(false);
  });

  test("strict: names of variables count; lenient: only their order does", () => {
    expect(verifyMath("f(x)", "f(y)").equal).toBe(false);
    expect(verifyMath("f(x)", "f(y)", { strict: false }).equal).toBe(true);
    expect(verifyMath("x+2y", "a+2b", { strict: false }).equal).toBe(true);
  });

  test("an inequality answers a gold interval only where that is allowed", () => {
    expect(verifyMath("[0,4]", "0 <= x <= 4").equal).toBe(false);
    expect(verifyMath("[0,4]", "0 <= x <= 4", { allowSetRelationComparison: true }).equal).toBe(true);
    expect(verifyMath("0 <= x <= 4", "[0,4]").equal).toBe(true);
  });
});

test("a verdict tells what was found, how it was read, and why", () => {
  expect(verifyMath("$\\frac12$", "So it is \\boxed{0.5}.")).toEqual({
    equal: true,
    gold: "\\frac12 (read as (1/2))",
    answer: "0.5",
    why: "both mean the same",
  });
  expect(verifyMath("5", "")).toEqual({
    equal: false,
    gold: "5",
    answer: "",
    why: "the text holds no answer",
  });
  expect(verifyMath("", "5").why).toBe("the gold text holds no answer");
});

/** Expressions in two spellings, LaTeX and plain. */
const spelled = fc.letrec<{ expression: [latex: string, plain: string] }>((tie) => ({
  expression: fc.oneof(
    { maxDepth: 4, depthIdentifier: "expression" },
    fc.integer({ min: 1, max: 99 }).map((number): [string, string] => [`${number}`, `(${number}.0)`]),
    fc.constantFrom("x", "y", "n").map((name): [string, string] => [name, `(${name})`]),
    fc
      .tuple(tie("expression"), tie("expression"))
      .map(([[a, b], [c, d]]): [string, string] => [`{${a}+${c}}`, `(${d} + ${b})`]),
    fc
      .tuple(tie("expression"), tie("expression"))
      .map(([[a, b], [c, d]]): [string, string] => [
        `\\left(${a}\\right)\\cdot\\left(${c}\\right)`,
        `(${d}) * (${b})`,
      ]),
    fc
      .tuple(tie("expression"), tie("expression"))
      .map(([[a, b], [c, d]]): [string, string] => [`\\frac{${a}}{${c}}`, `((${b})/(${d}))`]),
    tie("expression").map(([a, b]): [string, string] => [`\\sqrt{${a}}`, `sqrt(${b})`]),
    tie("expression").map(([a, b]): [string, string] => [`\\left(${a}\\right)^{2}`, `(${b})^2`]),
  ),
})).expression;

describe("properties", () => {
  test("an expression equals itself in another spelling", () => {
    fc.assert(
      fc.property(spelled, ([latex, plain]) => {
        expect(verifyMath(`$${latex}$`, plain)).toMatchObject({ equal: true });
      }),
      { numRuns: 60, seed: 1 },
    );
  });

  test("an expression and one more than it are unequal", () => {
    fc.assert(
      fc.property(spelled, ([latex, plain]) => {
        expect(verifyMath(`$${latex}$`, `(${plain})+1`)).toMatchObject({ equal: false });
      }),
      { numRuns: 40, seed: 2 },
    );
  });

  test("no text throws, whatever stands in it", () => {
    const piece = fc.oneof(
      fc.constantFrom(
        "\\frac",
        "\\boxed{",
        "{",
        "}",
        "$",
        "\\[",
        "\\]",
        "(",
        "[",
        ")",
        "]",
        "|",
        "^",
        "_",
        "\\sqrt",
        "\\begin{pmatrix}",
        "\\end{pmatrix}",
        "&",
        "\\\\",
        "!",
        "%",
        "=",
        "<",
        "\\pm",
        "\\cup",
        "\\in",
        "\\{",
        "\\}",
        "1",
        "23",
        ".5",
        ",",
        ";",
        "x",
        "and",
        " ",
        "\n",
        "answer is ",
        "∞",
        "²",
        "\\sum_{k=1}^",
        "\\log_",
        "\\infty",
        "0",
        "/",
        "-",
        "\\text{a}",
        "°",
        ":",
      ),
      fc.string({ maxLength: 5 }),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 25 }), fc.array(piece, { maxLength: 25 }), (gold, answer) => {
        expect(verifyMath(gold.join(""), answer.join("")).equal).toBeTypeOf("boolean");
      }),
      { numRuns: 800, seed: 3 },
    );
  });
});

/** What would take for ever, or run, if it were taken at its word. The suite's time limit is the bound. */
const hostile: Record<string, string> = {
  "a tower of powers": "9^9^9^9^9^9",
  "a power of huge numbers": "\\boxed{99999999999^{99999999999}}",
  "a factorial of a factorial": "((99999!)!)!",
  "a huge factorial": "\\boxed{1000000000!}",
  "a huge binomial": "\\binom{1000000000}{500000000}",
  "a sum without end": "\\sum_{k=1}^{1000000000000} k^k",
  "sums in sums": "\\sum_{a=1}^{300}\\sum_{b=1}^{300}\\sum_{c=1}^{300}\\sum_{d=1}^{300} \\sin(abcd)",
  "deep brackets": `${"(".repeat(100_000)}1${")".repeat(100_000)}`,
  "deep braces in a box": `\\boxed{${"{".repeat(100_000)}`,
  "deep fractions": `\\boxed{${"\\frac{1}{".repeat(1_000)}2${"}".repeat(1_000)}}`,
  "many boxes": "\\boxed{1}, ".repeat(50_000),
  "unclosed boxes": "\\boxed{".repeat(100_000),
  dollars: "$".repeat(500_000),
  "spaced dollars": "$ ".repeat(300_000),
  digits: "9".repeat(1_000_000),
  "digits and commas": "1,".repeat(500_000),
  "digits and spaces": "1 ".repeat(500_000),
  "digits and operators": "1+".repeat(500_000),
  "brackets and digits": "(1".repeat(300_000),
  "the word answer": "answer ".repeat(150_000),
  "final answers": "final answer is ".repeat(60_000),
  thinking: "<think>".repeat(100_000),
  backslashes: "\\".repeat(1_000_000),
  "open formulas": "\\(".repeat(300_000),
  "open displays": "\\[ 1 ".repeat(200_000),
  "white space": " ".repeat(1_000_000),
  "a long exponent": "1e999999999",
  "a sine of much": "\\sin(10^{1000000})",
  "a large set": `\\{${Array.from({ length: 700 }, (_, index) => `x+${index}`).join(",")}\\}`,
  "matrices in a row": "\\begin{pmatrix}1&2\\\\3&4\\end{pmatrix}".repeat(60),
  "matrices of variables in a row": "\\begin{pmatrix}x&y\\\\z&w\\end{pmatrix}".repeat(60),
  "powers of powers of a matrix": "(((\\begin{pmatrix}x&y\\\\z&w\\end{pmatrix}^{99})^{99})^{99})^{99}",
  "inverses of a large matrix": `\\begin{pmatrix}${"x&y&z&w\\\\".repeat(4)}\\end{pmatrix}^{-1}`.repeat(9),
  "integrals in integrals": `${"\\int_0^1 ".repeat(20)} x ${"dx ".repeat(20)}`,
  "sums without end in each other": `${"\\sum_{k=1}^{\\infty} ".repeat(20)} \\frac{1}{k^2}`,
  "a limit of a factorial": "\\lim_{n\\to\\infty} \\frac{n!}{n^n}",
  "derivatives of derivatives": `${"\\frac{d}{dx} ".repeat(50)} \\sin x`,
  "many signs": `${"\\pm 1 ".repeat(200)}`,
  code: "process.exit(1)",
  "mathjs code": 'import({a:1},{override:true}); evaluate("1")',
  "a prototype": "constructor.constructor('return process')().exit()",
  "property names": "\\constructor \\__proto__ \\toString",
};

describe("hostile answers", () => {
  test.each(Object.entries(hostile))("%s", (_name, answer) => {
    expect(verifyMath("x^2+\\sqrt{2}", answer).equal).toBe(false);
    expect(verifyMath(answer, "x^2+\\sqrt{2}").equal).toBe(false);
  });

  test("a hostile answer isn't its own gold's undoing: verdicts after it are as before", () => {
    for (const answer of Object.values(hostile).slice(-4)) verifyMath("1", answer);
    expect(verifyMath("sqrt(8)", "2*sqrt(2)").equal).toBe(true);
  });
});
