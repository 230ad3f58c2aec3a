import { describe, expect, test } from "vitest";
import { Blackjack } from "../../environments/games/blackjack.ts";
import { addCard, BlackjackOdds, cardValues, totalOf } from "../../environments/games/blackjack-odds.ts";
import { readMove } from "../../environments/games/game.ts";
import { fittingWords, marksOf, secretOf, WordGuessing } from "../../environments/games/word-guessing.ts";
import { words } from "../../environments/games/word-list.ts";
import { type GameItem, type GamesConfig, GamesEnv, gamesConfig } from "../../environments/games.ts";
import { GamesTeacher } from "../../environments/games-teacher.ts";
import type { ChatMessage, ChatServer } from "../../src/contracts/chat.ts";
import type { EnvServices } from "../../src/env/env-class.ts";
import { testServices } from "../support/env-services.ts";
import { ScriptedModel, says } from "../support/scripted-model.ts";

const { signal } = new AbortController();

const makeEnv = (services: EnvServices, config: Partial<GamesConfig> = {}) =>
  new GamesEnv({ services, config: gamesConfig.parse({ ...GamesEnv.defaults.env, ...config }) });

function taught({ errs = false, seed = 1 } = {}): ChatServer["chatCompletion"] {
  const teacher = new GamesTeacher();
  return async (request, options) => {
    const { messages, tools = [] } = request;
    const turn = teacher.recognise(messages)?.nextTurn({ messages, tools, seed, errs });
    return new ScriptedModel(says(turn?.content ?? "")).chatCompletion(request, options);
  };
}

describe("a move", () => {
  test.each([
    ["is read from the one tag", "I think so. <move> Bet  7 </move>", { move: "bet 7" }],
    ["is none without a tag", "hit", { problem: expect.stringContaining("no move") }],
    [
      "is none beside another",
      "<move>hit</move> or <move>stand</move>",
      { problem: expect.stringContaining("more than one") },
    ],
    [
      "is none beside a tag that is open",
      "<move>hit</move><move>",
      { problem: expect.stringContaining("more than one") },
    ],
    ["is none when it is a book", `<move>${"hit ".repeat(99)}</move>`, { problem: "That is no move." }],
  ])("%s", (_what, text, read) => {
    expect(readMove(text)).toEqual(read);
  });
});

describe("blackjack's odds", () => {
  const odds = new BlackjackOdds();

  test.each([
    [[10, 6], 10, -0.54043, -0.539826],
    [[10, 10], 10, 0.554538, undefined],
    [[10, 6], 6, -0.153699, undefined],
  ])("of %j against %d are those of the tables", (cards, shown, stand, hit) => {
    const hand = totalOf(cards);
    expect(odds.stand(hand, shown)).toBeCloseTo(stand, 5);
    if (hit !== undefined) expect(odds.hit(hand, shown)).toBeCloseTo(hit, 5);
  });

  test("give basic strategy", () => {
    const row = (total: number, soft: boolean) =>
      [2, 3, 4, 5, 6, 7, 8, 9, 10, 1]
        .map((shown) => (odds.decide({ total, soft }, shown) === "hit" ? "H" : "S"))
        .join("");
    const hard = Object.fromEntries([11, 12, 13, 16, 17].map((total) => [total, row(total, false)]));
    expect(hard).toEqual({
      11: "HHHHHHHHHH",
      12: "HHSSSHHHHH",
      13: "SSSSSHHHHH",
      16: "SSSSSHHHHH",
      17: "SSSSSSSSSS",
    });
    expect([row(17, true), row(18, true), row(19, true)]).toEqual(["HHHHHHHHHH", "SSSSSSSHHH", "SSSSSSSSSS"]);
  });

  test("an ace counts 11 while it can", () => {
    expect(totalOf([1, 6])).toEqual({ total: 17, soft: true });
    expect(addCard({ total: 17, soft: true }, 10)).toEqual({ total: 17, soft: false });
    expect(totalOf([1, 1, 9])).toEqual({ total: 21, soft: true });
    for (const value of cardValues)
      expect(addCard({ total: 10, soft: false }, value).total).toBeGreaterThan(10);
  });
});

describe("blackjack", () => {
  const game = new Blackjack({ hands: 2, reward: "strategy" });
  const deal = { seed: 11, heldOut: false };
  const moves = (...given: string[]) => given.map((move) => `<move>${move}</move>`);

  test("the same seed deals the same cards", () => {
    const play = () => game.play(deal, moves("bet 2", "stand", "bet 2", "stand"));
    expect(play()).toEqual(play());
    expect(game.play({ ...deal, seed: 12 }, moves("bet 2")).turns).not.toEqual(
      game.play(deal, moves("bet 2")).turns,
    );
  });

  test("an illegal move is told, costs its share, and the fifth ends the game", () => {
    const { turns, metrics } = game.play(deal, moves("bet 11", "hit", "bet 0", "bet two"));
    for (const { reply } of turns) expect(reply).toMatch(/^Illegal move\. Expected a bet.*\n.*Your bet\?$/);
    expect(metrics.illegal_moves).toBe(4);
    expect(game.play(deal, moves("x", "x", "x", "x", "x")).turns.at(-1)).toEqual({ reply: null, reward: 0 });
  });

  test("chips are what was won and lost, at the end of each hand", () => {
    const chips = new Blackjack({ hands: 2, reward: "chips" });
    let seen = 0;
    for (let seed = 0; seed < 200; seed += 1) {
      const { turns, metrics } = chips.play(
        { seed, heldOut: false },
        moves("bet 4", "stand", "bet 6", "stand"),
      );
      const sum = turns.reduce((total, { reward }) => total + reward, 0);
      if (turns.at(-1)?.reply !== null || metrics.illegal_moves !== 0) continue;
      expect(sum * 20).toBeCloseTo(metrics.chips ?? Number.NaN, 9);
      seen += 1;
    }
    expect(seen).toBeGreaterThan(100);
  });
});

describe("guessing words", () => {
  test.each([
    ["crane", "crane", "+++++"],
    ["speed", "erase", "?-??-"],
    ["allow", "llama", "?+?--"],
    ["geese", "eagle", "??--+"],
  ])("%s for %s is marked %s", (guess, word, marks) => {
    expect(marksOf(guess, word)).toBe(marks);
  });

  const game = new WordGuessing();
  const deal = { seed: 5, heldOut: false };
  const secret = secretOf(deal);

  test("who solves it has 1, however the information came", () => {
    for (const guesses of [
      [secret],
      ["stare", "cloud", secret],
      [secret === "about" ? "actor" : "about", secret],
    ]) {
      const { turns } = game.play(
        deal,
        guesses.map((guess) => `<move>${guess}</move>`),
      );
      expect(turns.at(-1)?.reply).toBeNull();
      expect(turns.reduce((sum, { reward }) => sum + reward, 0)).toBeCloseTo(1, 9);
    }
  });

  test("a guess is worth what it tells: the same again nothing", () => {
    const { turns } = game.play(deal, ["<move>stare</move>", "<move>stare</move>"]);
    expect(turns[0]?.reward).toBeGreaterThan(0.1);
    expect(turns[1]?.reward).toBe(0);
    expect(turns[0]?.reply).toMatch(/^STARE: [-+?]{5}\nGuess 2 of 6\?$/);
  });

  test("the sixth turn is the last, legal or not", () => {
    const { turns, metrics } = game.play(
      deal,
      Array.from({ length: 6 }, () => "<move>abcdef</move>"),
    );
    expect(turns.map(({ reply }) => reply === null)).toEqual([false, false, false, false, false, true]);
    expect(turns[0]?.reply).toContain("exactly five letters");
    expect(metrics).toEqual({ solved: 0, illegal_moves: 6 });
  });

  test("words of training and evaluation differ, and each is five small letters", () => {
    const drawn = (heldOut: boolean) => new Set(words.map((_, seed) => secretOf({ seed, heldOut })));
    expect(new Set([...drawn(true), ...drawn(false)]).size).toBe(drawn(true).size + drawn(false).size);
    expect(drawn(true).size + drawn(false).size).toBe(words.length);
    for (const word of words) expect(word).toMatch(/^[a-z]{5}$/);
  });

  test("what fits is what a player would still try", () => {
    const told = [`CRANE: ${marksOf("crane", secret)}\nGuess 2 of 6?`];
    expect(fittingWords(told)).toContain(secret);
    expect(fittingWords(told).length).toBeLessThan(words.length / 2);
  });
});

describe("the environment", () => {
  test("a teacher plays by what it sees, and one that errs gets next to nothing", async () => {
    for (const errs of [false, true]) {
      await using services = await testServices(taught({ errs }));
      const { metrics, samples } = await makeEnv(services, { eval_items: 12 }).evaluate({ signal });
      const scores = (game: string) =>
        samples.filter(({ category }) => category === game).map(({ score }) => Number(score));
      expect(metrics["eval/scored"]).toBe(12);
      if (errs) {
        expect(Math.max(...scores("words"))).toBeLessThan(0.1);
        expect(Math.max(...scores("blackjack"))).toBeLessThan(0.7);
      } else {
        expect(scores("blackjack")).toEqual(scores("blackjack").map(() => 1));
        expect(Math.min(...scores("words"))).toBeGreaterThan(0.3);
        expect(scores("words").filter((score) => score === 1).length).toBeGreaterThan(3);
      }
    }
  });

  test("turns that think are played by what they say behind it", async () => {
    await using services = await testServices();
    const item: GameItem = { game: "words", number: 0, seed: 5, heldOut: false };
    const messages: ChatMessage[] = [
      { role: "assistant", content: "<think><move>wrong</move></think><move>stare</move>" },
    ];
    expect(await makeEnv(services).replyTo(item, messages)).toMatch(/^STARE: /);
  });

  test("goes on with the game after the last one", async () => {
    await using services = await testServices();
    const env = makeEnv(services);
    await env.getNextItem();
    const state = env.checkpointState();
    const second = await env.getNextItem();
    const again = makeEnv(services);
    await again.restoreState(state);
    expect(await again.getNextItem()).toEqual(second);
    expect(second.game).toBe("words");
  });
});
