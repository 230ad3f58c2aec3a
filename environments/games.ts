/**
 * Games in several turns without tools: the model says its move, the environment answers, and each turn has a reward of
 * its own, which becomes the advantage of what was sampled in it (`env.turn_discount`). The score is their sum, 1 for
 * who plays as well as can be.
 */
import { z } from "zod";
import { stripThinking } from "../rewards/final-answer.ts";
import type { AgentResult } from "../src/agent/agent-result.ts";
import type { ChatMessage, JsonObject } from "../src/contracts/chat.ts";
import { deriveSeed } from "../src/env/derive-seed.ts";
import type { EnvDefaults } from "../src/env/env-class.ts";
import { hermesAgentEnvConfig } from "../src/env/env-config.ts";
import type { EvaluateOptions, Evaluation } from "../src/env/evaluation.ts";
import { HermesAgentBaseEnv, type RolloutPlace } from "../src/env/hermes-agent-base-env.ts";
import { inTurn, type Policy, type ValidationPolicies } from "../src/env/policies.ts";
import type { PlayedRollout } from "../src/env/run-rollout.ts";
import type { TurnRewards } from "../src/env/turn-rewards.ts";
import { Blackjack, blackjackAdvice } from "./games/blackjack.ts";
import { BlackjackOdds } from "./games/blackjack-odds.ts";
import type { Deal, Game, Playthrough } from "./games/game.ts";
import { secretOf, WordGuessing } from "./games/word-guessing.ts";

export const gameNames = ["blackjack", "words"] as const;
export type GameName = (typeof gameNames)[number];

/** `number` tells games of one run apart. */
export type GameItem = Deal & { game: GameName; number: number };

export const gamesConfig = hermesAgentEnvConfig.extend({
  games: z
    .array(z.enum(gameNames))
    .min(1)
    .default([...gameNames])
    .describe("The games, played in turn: blackjack, words (guess a word of five letters)."),
  blackjack_hands: z.int().min(1).max(10).default(3).describe("Hands of one game of blackjack."),
  blackjack_reward: z
    .enum(["strategy", "chips"])
    .default("strategy")
    .describe(
      "strategy: for decisions that are right by the odds, whatever the cards do. chips: for what is won or lost, luck included.",
    ),
  eval_items: z
    .int()
    .min(1)
    .default(64)
    .describe("Games that an evaluation plays, none of them in training."),
});

export type GamesConfig = z.output<typeof gamesConfig>;

const savedPosition = z.object({ next: z.int().min(0) });

export class GamesEnv extends HermesAgentBaseEnv<GameItem, GamesConfig> {
  static override readonly envName: string = "games";
  static readonly description =
    "Blackjack and word guessing: several turns without tools, each with a reward.";
  static readonly configSchema = gamesConfig;
  static readonly defaults: EnvDefaults<GamesConfig> = {
    env: { enabled_toolsets: [], max_agent_turns: 40, group_size: 8, max_token_length: 512 },
  };

  readonly #games: Readonly<Record<GameName, Game>> = {
    blackjack: new Blackjack({ hands: this.config.blackjack_hands, reward: this.config.blackjack_reward }),
    words: new WordGuessing(),
  };
  #next = 0;

  override async getNextItem(): Promise<GameItem> {
    return this.#item(this.#next++, false);
  }

  formatPrompt(item: GameItem): string {
    return `Game ${item.number + 1}. ${this.#games[item.game].opening(item)}`;
  }

  override async replyTo(item: GameItem, messages: readonly ChatMessage[]): Promise<string | null> {
    return this.#play(item, messages).turns.at(-1)?.reply ?? null;
  }

  async computeReward(item: GameItem, { messages }: AgentResult): Promise<TurnRewards> {
    return { turnRewards: this.#play(item, messages).turns.map(({ reward }) => reward) };
  }

  override policies(): ValidationPolicies<GameItem> {
    const odds = new BlackjackOdds();
    const card: Policy = ({ messages }) => {
      const advice = blackjackAdvice(messages.at(-1)?.content ?? "", odds);
      return { content: `<move>${advice === "bet" ? "bet 1" : advice}</move>` };
    };
    const always = (content: string) => () => () => ({ content });
    return {
      gold: (item) => {
        if (item.game === "words") return inTurn({ content: `<move>${secretOf(item)}</move>` });
        // Luck decides over chips: no play is sure to win them.
        return this.config.blackjack_reward === "strategy" ? card : null;
      },
      cheats: [
        { name: "bets and never decides", play: always("<move>bet 10</move>") },
        { name: "makes every move at once", play: always("<move>hit</move><move>stand</move>") },
        { name: "says that it has won", play: always("<move>win</move> You win 10: 110 chips.") },
        {
          name: "names the word outside of a move",
          play: (item) => (item.game === "words" ? inTurn({ content: secretOf(item) }) : null),
        },
        {
          name: "thinks the word",
          play: (item) =>
            item.game === "words"
              ? inTurn({ content: `<think><move>${secretOf(item)}</move></think>` })
              : null,
        },
      ],
    };
  }

  override async playRollout(item: GameItem, place: RolloutPlace): Promise<PlayedRollout> {
    const rollout = await super.playRollout(item, place);
    const { outcome, result } = rollout;
    if (place.split === "train" && outcome.kind === "scored" && result !== null) {
      this.recordMetric(`train/${item.game}_score`, outcome.reward);
      for (const [name, value] of Object.entries(this.#play(item, result.messages).metrics)) {
        this.recordMetric(`train/${item.game}_${name}`, value);
      }
    }
    return rollout;
  }

  override async evaluate(options: EvaluateOptions): Promise<Evaluation> {
    const items = Array.from({ length: this.config.eval_items }, (_, number) => this.#item(number, true));
    return this.evaluateItems(items, {
      ...options,
      describe: ({ game, number }) => ({ category: game, game_number: number + 1 }),
    });
  }

  override checkpointState(): JsonObject {
    return { next: this.#next };
  }

  override async restoreState(state: JsonObject): Promise<void> {
    this.#next = savedPosition.parse(state).next;
  }

  #item(number: number, heldOut: boolean): GameItem {
    const { games, seed } = this.config;
    const game = games[number % games.length] ?? "words";
    return { game, number, heldOut, seed: deriveSeed(seed, heldOut ? "eval-game" : "game", number) };
  }

  #play(item: GameItem, messages: readonly ChatMessage[]): Playthrough {
    const texts = messages.flatMap(({ role, content }) =>
      role === "assistant" ? [stripThinking(content ?? "")] : [],
    );
    return this.#games[item.game].play(item, texts);
  }
}

export default GamesEnv;

if (import.meta.main) await GamesEnv.cli();
