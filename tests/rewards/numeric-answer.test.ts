import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isNumericAnswer, scoreNumericAnswer } from "../../rewards/index.ts";
import { hasGsm8k, readGsm8k } from "../support/gsm8k-rows.ts";

type Case = readonly [gold: string, completion: string];

describe("a completion with the gold number scores 1", () => {
  test.each<Case>([
    // Where the answer stands.
    ["18", "18"],
    ["18", "She makes 18"],
    ["18", "She makes 18."],
    ["18", "She makes $18 every day at the farmers' market."],
    ["18", "So the answer is #### 18"],
    ["18", "9 * 2 = 18\n#### 18"],
    ["18", "A: 18"],
    ["18", "She sells 9 eggs.\nA: 18"],
    ["18", "The answer is 18."],
    ["18", "**18**"],
    ["18", "The answer is **$18**!"],
    ["18", "`18`"],
    ["18", "_18_"],
    ["18", "First 3, then 5, in all \\boxed{18}. That took 2 steps."],
    ["18", "\\boxed{5} is wrong; it is \\boxed{18}"],
    ["18", "\\boxed{18} and then #### 20"],
    ["18", "#### 5\nNo, wait.\n#### 18\nI used 2 steps."],
    ["18", "#### 18 dollars for 3 days"],
    ["18", "#### $18.00"],
    ["18", "#### **18**"],
    ["18", "####18"],
    ["18", "####\n18"],
    ["18", "#### Answer: 18"],
    ["18", "#### The final answer is 18."],
    ["18", "#### x = 18"],
    ["18", "#### 2 * 9 = 18"],
    ["18", "#### 18 (since 2 * 9 = 20 - 2)"],
    ["18", "#### Step 1: count\n16 - 7 = 9\n#### Step 2: sell\n9 * 2 = 18"],
    ["18", "#### 1. Count\n16 - 7 = 9\n#### 2. Sell\n9 * 2 = 18"],
    ["18", "#### 18. That is all."],
    ["18", "He has <<9*2=18>>18"],
    ["She sells 9 * 2 = $<<9*2=18>>18.\n#### 18", "18"],
    ["She sells 9 * 2 = $<<9*2=18>>18.\n#### 18", "9 * 2 = $18 a day\n#### 18"],
    ["\\boxed{18}", "18"],
    // Thinking.
    ["18", "<think>maybe 20</think>18"],
    ["18", "<think>\\boxed{20}</think>The answer is 18"],
    ["18", "it was 20 </think> 18"],
    ["18", "<think>1</think>5<think>2</think>18"],
    ["18", "<THINKING>20</THINKING>18"],
    ["18", "18<think>or is it 20?"],
    // Boxes.
    ["18", "\\boxed{\\$18}"],
    ["18", "\\boxed{18\\%}"],
    ["18", "\\boxed{18 \\text{ dollars}}"],
    ["18", "\\boxed{\\text{18 dollars}}"],
    ["18", "\\boxed{\\text{She makes } 18 \\text{ dollars}}"],
    ["18", "$\\boxed{18}$"],
    ["18", "\\[ \\boxed{ 18 } \\]"],
    ["18", "\\boxed{{18}}"],
    ["18", "\\boxed{\\boxed{18}}"],
    ["18", "\\boxed{so \\boxed{18} of 20}"],
    ["18", "\\boxed{x = 18}"],
    ["18", "\\boxed{9 \\times 2 = 18}"],
    ["18", "\\boxed{18\\ \\mathrm{m}^2}"],
    ["18", "\\boxed{18^\\circ}"],
    ["18", "\\boxed{\\mathbf{18}}"],
    ["18", "\\boxed 18"],
    ["18", "\\fbox{18}"],
    ["18", "\\boxed{18} \\boxed{"],
    ["18", "\\boxed{} so it is 18"],
    ["18", "\\boxed{\\text{see above}} 18"],
    ["0.75", "\\boxed{\\frac{3}{4}}"],
    ["3/4", "\\boxed{\\dfrac{3}{4}}"],
    ["0.75", "\\boxed{\\frac34}"],
    ["-0.75", "\\boxed{-\\frac{3}{4}}"],
    ["2.5", "\\boxed{2\\frac{1}{2}}"],
    ["2.5", "\\boxed{2 \\tfrac12 \\text{ hours}}"],
    ["1234", "\\boxed{1{,}234}"],
    ["1234", "\\boxed{1\\,234}"],
    ["1234567", "\\boxed{1,\\!234,\\!567}"],
    // Spelling of the number.
    ["1234", "1,234"],
    ["1,234", "1234"],
    ["1234567", "1,234,567 people"],
    ["1234", "1 234"],
    ["1234", "1\u202f234"],
    ["1234", "1'234"],
    ["1234.5", "$1,234.50"],
    ["18", "18.0"],
    ["18", "18.00 dollars"],
    ["18", "018"],
    ["0.5", ".5"],
    ["0.5", "1/2"],
    ["0.5", "½"],
    ["2.5", "2 1/2 hours"],
    ["2.5", "it takes 2 1/2."],
    ["0.5", "it takes 1/2."],
    ["2.5", "2½ hours"],
    ["5", "it is 10/2"],
    ["5", "10 / 2"],
    ["18", "€18"],
    ["18", "18€"],
    ["18", "£18"],
    ["18", "US$18"],
    ["18", "USD18"],
    ["18", "18%"],
    ["50", "50 %"],
    ["50%", "50"],
    ["18", "18kg"],
    ["18", "the 18th"],
    ["18", "18!"],
    ["18", "18?"],
    ["18", "(18)"],
    ["18", "it is 18, as said"],
    ["18", "5 m^2 at 18"],
    ["18", "area: 18 m^2"],
    ["18", "area: 18 m²"],
    ["18", "18 liters of H2O"],
    ["-5", "-5"],
    ["-5", "\u22125"],
    ["-5", "the change is -$5"],
    ["-5", "the change is $-5"],
    ["-5", "x = - 5"],
    ["-5", "\\boxed{-5}"],
    ["-5", "\\boxed{- 5}"],
    ["-5", "#### -5"],
    ["5", "10-5"],
    ["5", "from 3 \u2013 5"],
    ["5", "between 3\u20135"],
    ["5", "- apples\n- 5 pears"],
    ["5", "the total - 5"],
    ["1800", "1.8e3"],
    ["1800", "1.8E+3"],
    ["0.0018", "1.8e-3"],
    ["1800", "1.8 x 10^3"],
    ["1800", "1.8 × 10³"],
    ["1800", "\\boxed{1.8 \\times 10^{3}}"],
    ["1000", "\\boxed{10^3}"],
    ["0.001", "10^-3"],
  ])("gold %j, completion %j", (gold, completion) => {
    expect(scoreNumericAnswer(gold, completion)).toBe(1);
  });
});

describe("any other completion scores 0", () => {
  test.each<Case>([
    ["18", ""],
    ["18", "I don't know."],
    ["18", "eighteen"],
    ["18", "19"],
    ["18", "18.5"],
    ["18", "18.0000000000000000001"],
    ["18", "-18"],
    ["18", "1.8"],
    ["18", "180"],
    ["18", "118"],
    ["18", "The answer is 18 and not 20"],
    ["18", "\\boxed{20} but 18"],
    ["18", "#### 20\nor 18"],
    ["18", "\\boxed{18, 19}"],
    ["18", "\\boxed{18 \\text{ or } 19}"],
    ["18", "\\boxed{9 + 9}"],
    ["18", "\\boxed{18^2}"],
    ["18", "\\boxed{\\sqrt{18}}"],
    ["18", "\\boxed{18\\pi}"],
    ["18", "\\boxed{18\\sqrt{2}}"],
    ["2", "\\boxed{\\frac{x}{2}}"],
    ["2", "\\boxed{\\frac{\\sqrt{3}}{2}}"],
    ["2", "\\boxed{H_2}"],
    ["18", "<think>18"],
    ["18", "<think>18</think>"],
    ["18", "<think>18</think>It is 20"],
    ["18", "20<think>18"],
    ["18", "<think>a</think><think>18"],
    ["18", "18/0"],
    ["18", "\\boxed{\\frac{18}{0}}"],
    ["0.5", "50%"],
    ["1234", "1,23,4"],
    ["1234", "1.234"],
    ["0.3", "0.30000000000000004"],
    ["18", "H18O"],
    ["18", `1${"0".repeat(2_000)}`],
    ["18", "18e999999"],
    ["18", "18e99999999999999999999"],
    ["", "18"],
    ["", ""],
    ["no number", "no number"],
  ])("gold %j, completion %j", (gold, completion) => {
    expect(scoreNumericAnswer(gold, completion)).toBe(0);
  });
});

test("isNumericAnswer tells a gold that can be scored from one that can't", () => {
  expect(isNumericAnswer("#### 1,234")).toBe(true);
  expect(isNumericAnswer("many")).toBe(false);
  expect(isNumericAnswer("")).toBe(false);
});

/** Every spelling of numerator/10^scale that the reward should read. */
function spellings(numerator: bigint, scale: number): string[] {
  const negative = numerator < 0n;
  const digits = String(negative ? -numerator : numerator).padStart(scale + 1, "0");
  const whole = digits.slice(0, digits.length - scale);
  const fraction = digits.slice(digits.length - scale);
  const sign = negative ? "-" : "";
  const grouped = (separator: string) => whole.replace(/\B(?=(\d{3})+$)/g, separator);
  const tail = fraction === "" ? "" : `.${fraction}`;
  const plain = `${sign}${whole}${tail}`;
  return [
    plain,
    `${plain}${fraction === "" ? ".000" : "000"}`,
    `${sign}${grouped(",")}${tail}`,
    `${sign}${grouped(" ")}${tail}`,
    `${sign}$${grouped(",")}${tail}`,
    `${sign}${numerator < 0n ? -numerator : numerator}/${10n ** BigInt(scale)}`,
    `${numerator}e-${scale}`,
    `\\boxed{${sign}${grouped("{,}")}${tail}}`,
    `\\boxed{${sign}\\frac{${digits}}{${10n ** BigInt(scale)}}}`,
    `\\boxed{${plain} \\text{ apples}}`,
    `There are 3 steps.\n#### ${plain}\n`,
    `<think>12 or 13?</think>The answer is **${plain}**.`,
    `so x = ${plain.replace("-", "\u2212")}.`,
  ];
}

test("a number equals itself and not its neighbour, however both are spelled", () => {
  fc.assert(
    fc.property(
      fc.bigInt({ min: -(10n ** 15n), max: 10n ** 15n }),
      fc.nat({ max: 6 }),
      (numerator, scale) => {
        const own = spellings(numerator, scale);
        const neighbour = spellings(numerator + 1n, scale);
        const gold = own[0] ?? "";
        for (const spelling of own)
          expect([spelling, scoreNumericAnswer(gold, spelling)]).toEqual([spelling, 1]);
        for (const spelling of neighbour) {
          expect([spelling, scoreNumericAnswer(gold, spelling)]).toEqual([spelling, 0]);
        }
      },
    ),
  );
});

test("no completion makes the reward throw", () => {
  const piece = fc.constantFrom(
    ..."\\boxed{|}|{|####|\\frac|<think>|</think>|\\text{|$|-|,|.|/|^|e|=|1|23|456| |\n|½|²|\\,|10^".split(
      "|",
    ),
  );
  fc.assert(
    fc.property(fc.array(fc.oneof(piece, fc.string({ unit: "binary" })), { maxLength: 30 }), (pieces) => {
      expect([0, 1]).toContain(scoreNumericAnswer("18", pieces.join("")));
      expect([0, 1]).toContain(scoreNumericAnswer(pieces.join(""), pieces.join("")));
    }),
  );
});

/** Quadratic work on these would take minutes, and the test would time out. */
test("a long flood of anything is graded without stalling", () => {
  const pieces = [
    "{",
    "}",
    "\\boxed{",
    "\\boxed",
    "\\frac{",
    "\\frac",
    "####",
    "#### 1 ",
    "#",
    "<think>",
    "</think>",
    "1",
    "1 ",
    "1,",
    "1,000",
    ",000",
    " 000",
    "1/",
    "1 1/",
    "-",
    "- ",
    "$",
    " ",
    "\n",
    "\\text{",
    "\\",
    "e",
    "1e",
    "10^",
    ".",
    "1.",
    "=",
    "#### =",
    "1 * ",
    "\\,",
    "½",
    "²",
    "\\boxed{1",
    "*",
    "#### ****",
    "_",
    "a",
  ];
  for (const piece of pieces) {
    const flood = piece.repeat(Math.ceil(200_000 / piece.length));
    for (const text of [flood, `\\boxed{${flood}}`, `#### 1${flood}`, `#### ${flood}`]) {
      expect([0, 1]).toContain(scoreNumericAnswer("18", text));
    }
  }
}, 60_000);

describe.skipIf(!hasGsm8k)("GSM8K's 8,792 gold answers", () => {
  const readAnswers = () => [...readGsm8k("train"), ...readGsm8k("test")].map(({ answer }) => answer);

  test("score 1 against themselves, whole or as the bare number, in every common frame", () => {
    const answers = readAnswers();
    expect(answers).toHaveLength(8_792);
    const missed = answers.filter((answer) => {
      const number = answer.slice(answer.indexOf("####") + 4).trim();
      const frames = [
        answer,
        number,
        `\\boxed{${number}}`,
        `The answer is ${number}.`,
        `It costs $${number}`,
        `A: ${number}`,
        `${number.replaceAll(",", "")}.00 dollars`,
      ];
      return !frames.every((frame) => scoreNumericAnswer(answer, frame) && scoreNumericAnswer(number, frame));
    });
    expect(missed).toEqual([]);
  });

  test("score 0 against another number", () => {
    const wronglyRight = readAnswers().filter((answer) => {
      const number = Number(answer.slice(answer.indexOf("####") + 4).replaceAll(",", ""));
      return [number + 1, number - 1, -number || 7, number + 0.5, number * 10 || 3].some((wrong) =>
        scoreNumericAnswer(answer, `#### ${wrong}`),
      );
    });
    expect(wronglyRight).toEqual([]);
  });
});
