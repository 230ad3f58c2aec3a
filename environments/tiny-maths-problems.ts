/**
 * Word problems for a very small model, made from a seed: a verb says which operation is meant. They are as good
 * as endless, so training never repeats one on purpose, and problems held out come from a stream of their own.
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

type Operation = "+" | "-" | "*";
type Phrase = { operation: Operation; text(name: string, thing: string, left: number, right: number): string };

const names = ["Ann", "Ben", "Eva", "Leo", "Mia", "Tom"];
const things = ["apples", "books", "cards", "eggs", "pens", "stamps"];

const phrases: readonly Phrase[] = [
  { operation: "+", text: (name, thing, a, b) => `${name} has ${a} ${thing} and buys ${b} more.` },
  { operation: "+", text: (name, thing, a, b) => `${name} has ${a} ${thing} and finds ${b} more.` },
  { operation: "-", text: (name, thing, a, b) => `${name} has ${a} ${thing} and gives away ${b}.` },
  { operation: "-", text: (name, thing, a, b) => `${name} has ${a} ${thing} and loses ${b}.` },
  { operation: "*", text: (name, thing, a, b) => `${name} has ${a} boxes with ${b} ${thing} each.` },
  { operation: "*", text: (name, thing, a, b) => `${name} fills ${a} bags with ${b} ${thing} each.` },
];

/** The problem with this number in the stream of the seed: the same ever again. */
export function tinyMathsProblem(
  index: number,
  { seed, level, split }: { seed: number; level: TinyMathsLevel; split: "train" | "eval" },
): TinyMathsProblem {
  const random = seededRandom(deriveSeed(seed, "tiny-maths", split, level, index));
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
  const between = (low: number, high: number) => low + Math.floor(random() * (high - low + 1));
  const [name, thing] = [pick(names), pick(things)];
  const phrase = pick(level === 1 ? phrases.filter(({ operation }) => operation !== "*") : phrases);
  const [left, right] = operands(phrase.operation, level, between);
  const first = phrase.text(name, thing, left, right);
  const simple = `${left}${phrase.operation}${right}`;
  const value = apply(phrase.operation, left, right);
  if (level < 3) return { question: `${first} How many ${thing}?`, expression: simple, answer: value };

  const gains = random() < 0.5;
  const third = gains ? between(2, 49) : between(1, Math.max(1, Math.min(49, value)));
  const second = gains ? `Then come ${third} more.` : `Then ${third} are lost.`;
  return {
    question: `${first} ${second} How many ${thing}?`,
    expression: `${simple}${gains ? "+" : "-"}${third}`,
    answer: apply(gains ? "+" : "-", value, third),
  };
}

/** Differences are never below 0. */
function operands(
  operation: Operation,
  level: TinyMathsLevel,
  between: (low: number, high: number) => number,
): [left: number, right: number] {
  const most = level === 1 ? 19 : operation === "*" ? 19 : 49;
  const [one, other] = [between(2, most), between(2, most)];
  return operation === "-" ? [Math.max(one, other), Math.min(one, other)] : [one, other];
}

function apply(operation: Operation, left: number, right: number): number {
  if (operation === "+") return left + right;
  return operation === "-" ? left - right : left * right;
}
