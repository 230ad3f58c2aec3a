import { describe, expect, test } from "vitest";
import { seededRandom } from "../../../src/practice/seeded-random.ts";
import { type ChoiceSettings, TokenChooser } from "../../../src/tiny-policy/engine/token-chooser.ts";

const off: ChoiceSettings = { temperature: 1, topP: 1, topK: 0, minP: 0, repetitionPenalty: 1 };
const shares = [0.4, 0.05, 0.3, 0.05, 0.2];
const logits = Float32Array.from(shares, (share) => Math.log(share) + 3);
const draws = 20_000;

/** How often each token was chosen. */
function frequencies(settings: Partial<ChoiceSettings>, seen: number[] = []): number[] {
  const chooser = new TokenChooser(shares.length);
  const random = seededRandom(1);
  const counts = shares.map(() => 0);
  for (let draw = 0; draw < draws; draw += 1) {
    const { id } = chooser.choose(logits, { ...off, ...settings }, { seen, random });
    counts[id]! += 1;
  }
  return counts.map((count) => count / draws);
}

const normed = (weights: number[]) => weights.map((weight) => weight / weights.reduce((a, b) => a + b));

describe("a token is chosen", () => {
  test.each<[string, Partial<ChoiceSettings>, number[]]>([
    ["as likely as the model says", {}, shares],
    ["from a flatter distribution when it is hot", { temperature: 2 }, normed(shares.map(Math.sqrt))],
    ["from a steeper one when it is cold", { temperature: 0.5 }, normed(shares.map((share) => share ** 2))],
    ["as the likeliest at temperature 0", { temperature: 0 }, [1, 0, 0, 0, 0]],
    ["as the likeliest at a temperature next to 0", { temperature: 1e-12 }, [1, 0, 0, 0, 0]],
    ["from the top k", { topK: 2 }, normed([0.4, 0, 0.3, 0, 0])],
    [
      "from one of equals, the lower id, where only one has room",
      { topK: 4 },
      normed([0.4, 0.05, 0.3, 0, 0.2]),
    ],
    ["from what reaches top_p", { topP: 0.65 }, normed([0.4, 0, 0.3, 0, 0])],
    ["from at least one token, however small top_p is", { topP: 1e-9 }, [1, 0, 0, 0, 0]],
    ["from those at least min_p as likely as the likeliest", { minP: 0.45 }, normed([0.4, 0, 0.3, 0, 0.2])],
    ["with top_p of what top_k left", { topK: 3, topP: 0.7 }, normed([0.4, 0, 0.3, 0, 0])],
  ])("%s", (_name, settings, expected) => {
    for (const [id, share] of frequencies(settings).entries()) {
      if (expected[id] === 0) expect(share).toBe(0);
      else expect(share).toBeCloseTo(expected[id]!, 1);
    }
  });

  test("less likely when it was seen, and as likely for having been seen twice as for once", () => {
    const once = frequencies({ repetitionPenalty: 2 }, [0]);
    expect(once[0]).toBeLessThan(0.25);
    expect(frequencies({ repetitionPenalty: 2 }, [0, 0])).toEqual(once);
    const negative = Float32Array.of(-1, -1);
    const { id } = new TokenChooser(2).choose(
      negative,
      { ...off, temperature: 0, repetitionPenalty: 2 },
      { seen: [0], random: () => 0 },
    );
    expect(id).toBe(1);
  });

  test("with the bare model's log-probability whatever the settings are", () => {
    const chooser = new TokenChooser(shares.length);
    for (const settings of [{}, { temperature: 0.3 }, { topK: 1 }, { repetitionPenalty: 3 }]) {
      const choice = chooser.choose(logits, { ...off, ...settings }, { seen: [0], random: seededRandom(2) });
      expect(choice.logprob).toBeCloseTo(Math.log(shares[choice.id]!), 5);
    }
  });
});

test("the likeliest tokens come sorted, of equals the lower id first", () => {
  const likeliest = new TokenChooser(shares.length).likeliest(logits, 4);
  expect(likeliest.map(({ id }) => id)).toEqual([0, 2, 4, 1]);
  expect(likeliest[1]!.logprob).toBeCloseTo(Math.log(0.3), 5);
});
