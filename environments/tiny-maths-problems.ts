/**
 * Word problems for a very small model, made from a seed: a verb says which operation is meant. They are as good
 * as endless, so training never repeats one on purpose. Problems to evaluate on are held out by their numbers: no
 * training problem, of whatever seed, puts the same two numbers to the same operation.
 */
import { deriveSeed } from "../src/env/derive-seed.ts";
import { seededRandom } from "../src/practice/seeded-random.ts";

/** 1: sums and differences of small numbers. 2: products too, two digits. 3: two steps. */
export const tinyMathsLevels = [1, 2, 3] as const;
export type TinyMathsLevel = (typeof tinyMathsLevels)[number];

export type TinyMathsProblem = {
  question: string;
  /** What solves it, in Python. */
  expression: string;
  answer: number;
};

export type Operation = "+" | "-" | "*";
/** What a question asks for, as it is written: the first step, then perhaps a second. */
export type TinyMathsStep = { operation: Operation; number: number };
export type TinyMathsReading = { first: number; steps: readonly TinyMathsStep[] };

const names = ["Ann", "Ben", "Eva", "Leo", "Mia", "Tom"];
const things = ["apples", "books", "cards", "eggs", "pens", "stamps"];

/** NAME, A, B and THINGS stand for what is filled in. */
const phrases: readonly { operation: Operation; text: string }[] = [
  { operation: "+", text: "NAME has A THINGS and buys B more." },
  { operation: "+", text: "NAME has A THINGS and finds B more." },
  { operation: "-", text: "NAME has A THINGS and gives away B." },
  { operation: "-", text: "NAME has A THINGS and loses B." },
  { operation: "*", text: "NAME has A boxes with B THINGS each." },
  { operation: "*", text: "NAME fills A bags with B THINGS each." },
];
const seconds: readonly { operation: Operation; text: string }[] = [
  { operation: "+", text: "Then come B more." },
  { operation: "-", text: "Then B are lost." },
];
/** One pair of numbers in so many is held out. */
const heldOutEvery = 8;

/** The problem with this number in the stream of the seed: the same ever again. */
export function tinyMathsProblem(
  index: number,
  { seed, level, split }: { seed: number; level: TinyMathsLevel; split: "train" | "eval" },
): TinyMathsProblem {
  const random = seededRandom(deriveSeed(seed, "tiny-maths", split, level, index));
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
  const between = (low: number, high: number) => low + Math.floor(random() * (high - low + 1));
  for (;;) {
    const [name, thing] = [pick(names), pick(things)];
    const { operation, text } = pick(phrases.filter((phrase) => level > 1 || phrase.operation !== "*"));
    const [left, right] = operands(operation, level, between);
    if (isHeldOut(left, operation, right) !== (split === "eval")) continue;
    const first = fill(text, { NAME: name, THINGS: thing, A: left, B: right });
    const simple = `${left}${operation}${right}`;
    const value = compute(left, operation, right);
    if (level < 3) return { question: `${first} How many ${thing}?`, expression: simple, answer: value };

    const second = pick(seconds);
    const most = second.operation === "+" ? 49 : Math.max(1, Math.min(49, value));
    const number = between(1, most);
    return {
      question: `${first} ${fill(second.text, { B: number })} How many ${thing}?`,
      expression: `${simple}${second.operation}${number}`,
      answer: compute(value, second.operation, number),
    };
  }
}

/** What a question asks for; null when it is none of these. */
export function readTinyMaths(question: string): TinyMathsReading | null {
  for (const { operation, pattern } of firstPatterns) {
    const { A, B, rest = "" } = pattern.exec(question)?.groups ?? {};
    if (A === undefined || B === undefined) continue;
    const steps: TinyMathsStep[] = [{ operation, number: Number(B) }];
    for (const second of secondPatterns) {
      const number = second.pattern.exec(rest)?.groups?.B;
      if (number !== undefined) steps.push({ operation: second.operation, number: Number(number) });
    }
    return { first: Number(A), steps };
  }
  return null;
}

export function compute(left: number, operation: Operation, right: number): number {
  if (operation === "+") return left + right;
  return operation === "-" ? left - right : left * right;
}

const firstPatterns = phrases.map(({ operation, text }) => ({
  operation,
  pattern: new RegExp(`^\\s*${patternOf(text)}(?<rest>.*) How many [a-z]+\\?\\s*$`, "s"),
}));
const secondPatterns = seconds.map(({ operation, text }) => ({
  operation,
  pattern: new RegExp(`^ ${patternOf(text)}$`),
}));

function patternOf(text: string): string {
  return text
    .replaceAll(".", "\\.")
    .replace("NAME", "[A-Z][a-z]+")
    .replace("THINGS", "[a-z]+")
    .replace(/\b[AB]\b/g, (letter) => `(?<${letter}>\\d+)`);
}

function fill(text: string, values: Readonly<Record<string, string | number>>): string {
  return text.replace(/\b(NAME|THINGS|A|B)\b/g, (key) => String(values[key]));
}

/** Differences are never below 0. */
function operands(
  operation: Operation,
  level: TinyMathsLevel,
  between: (low: number, high: number) => number,
): [left: number, right: number] {
  const most = level === 1 || operation === "*" ? 19 : 49;
  const [one, other] = [between(2, most), between(2, most)];
  return operation === "-" ? [Math.max(one, other), Math.min(one, other)] : [one, other];
}

function isHeldOut(left: number, operation: Operation, right: number): boolean {
  return deriveSeed(0, "tiny-maths held out", left, operation, right) % heldOutEvery === 0;
}
