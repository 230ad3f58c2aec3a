import { expect, test } from "vitest";
import { trainBytePairs } from "../../scripts/train-tokenizer/byte-pair-trainer.ts";

const alphabet = ["a", "b", "c"];
const words: [string, number][] = [
  ["abab", 3],
  ["abc", 2],
  ["aaa", 4],
  ["c", 9],
];

test("the most frequent pair merges first, then pairs of what was merged", () => {
  const { vocabulary, merges } = trainBytePairs(new Map(words), { alphabet, size: 6 });
  // Twice in "aaa" as written, but it is the same three letters: ab 3+3+2, aa 4+4.
  expect(merges).toEqual([
    ["a", "a"],
    ["a", "b"],
    ["aa", "a"],
  ]);
  expect(vocabulary).toEqual(["a", "b", "c", "aa", "ab", "aaa"]);
});

test("the order of the words plays no part", () => {
  const train = (order: [string, number][]) => trainBytePairs(new Map(order), { alphabet, size: 9 });
  expect(train(words.toReversed())).toEqual(train(words));
});

test("pairs that occur once are not worth a token", () => {
  const { merges } = trainBytePairs(new Map([["abc", 1]]), { alphabet, size: 9 });
  expect(merges).toEqual([]);
});
