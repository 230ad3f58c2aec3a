/**
 * `judge`: a model of its own server (`env.judge`) scores the answer by a rubric, or compares it with the item's
 * reference answer in both orders. A judge that fails, or gives no verdict, is a failure of the machinery.
 */
import { z } from "zod";
import { LachesisError } from "../../src/contracts/errors.ts";
import type { JudgeModel } from "../../src/contracts/judge-model.ts";
import { defineReward, type RewardCall, type RewardMaking, textField } from "../reward.ts";
import { judgeMessages, type Material } from "./judge-prompt.ts";
import { judgedParts, judgedText, questionText } from "./judged-text.ts";
import { countVotes, voteAggregates } from "./votes.ts";

const criterion = z.strictObject({
  name: z.string().regex(/^[a-z][a-z0-9_]*$/, "expected a name of small letters, digits and _"),
  description: z.string().min(1).describe("What earns the highest mark, and what the lowest."),
  weight: z.number().positive().default(1),
});

const correctness = {
  name: "correctness",
  description:
    "The highest mark where the answer states what the reference answer states, in whatever words; the lowest where it doesn't, contradicts it, or gives several answers of which one may be right.",
  weight: 1,
};

export const judgeParameters = z.strictObject({
  mode: z
    .enum(["rubric", "pairwise"])
    .default("rubric")
    .describe(
      "rubric: marks for each criterion. pairwise: 1, 0.5 or 0 for better, as good, worse than the reference.",
    ),
  criteria: z
    .array(criterion)
    .min(1)
    .refine(
      (list) => new Set(list.map(({ name }) => name)).size === list.length,
      "two criteria have one name",
    )
    .default([correctness])
    .describe("rubric: what is marked. The score is the weighted mean of the marks, from 0 to 1."),
  scale: z
    .tuple([z.int(), z.int()])
    .refine(([least, greatest]) => least < greatest, "expected the lowest mark, then the highest")
    .default([0, 10])
    .describe("rubric: the lowest and the highest mark."),
  instructions: z
    .string()
    .default("")
    .describe("What else the judge should know; of yours, not of the item."),
  question_field: z
    .string()
    .nullable()
    .default(null)
    .describe("The item's field with the question. null = the rollout's first user message."),
  reference_field: z
    .string()
    .nullable()
    .default("answer")
    .describe(
      "The item's field with the right answer, or a good one. null = the judge sees none (rubric only).",
    ),
  judged: z
    .enum(judgedParts)
    .default("answer")
    .describe("answer: the last message, thinking left out. conversation: all that the model said and did."),
  votes: z.int().min(1).max(99).default(1).describe("How often the judge is asked."),
  aggregate: z.enum(voteAggregates).default("median").describe("What several votes come to."),
  max_chars: z
    .int()
    .min(200)
    .default(20_000)
    .describe("Characters of one text that the judge is shown; of longer ones the middle is left out."),
});

type JudgeParameters = z.output<typeof judgeParameters>;

/** One vote, from 0 to 1, and what else it told. */
type Vote = { score: number; metrics: Readonly<Record<string, number>> };

export const judgeReward = defineReward({
  name: "judge",
  description: "What a judge model (env.judge) makes of the answer, from 0 to 1.",
  parameters: judgeParameters,
  create(parameters, context) {
    const judge = requireJudge(context);
    if (parameters.mode === "pairwise" && parameters.reference_field === null) {
      throw new LachesisError("REWARD_INVALID", `${context.path}: pairwise compares with a reference_field.`);
    }
    return async (call) => {
      const judged = judgedText(call.rollout, parameters.judged);
      // Nobody has to be asked what nothing is worth.
      if (judged.trim() === "") return 0;
      const voteOnce = parameters.mode === "rubric" ? voteByRubric : voteByComparison;
      const votes = await Promise.all(
        Array.from({ length: parameters.votes }, (_, vote) =>
          voteOnce({ judge, parameters, call, judged, vote }),
        ),
      );
      const { score, spread, disagree } = countVotes(
        votes.map((vote) => vote.score),
        parameters.aggregate,
      );
      const metrics = {
        ...meansOf(votes.map((vote) => vote.metrics)),
        ...(votes.length > 1 && { spread, disagree: disagree ? 1 : 0 }),
      };
      const named = Object.entries(metrics).map(([name, value]) => [`${context.label}/${name}`, value]);
      return { score, metrics: Object.fromEntries(named) };
    };
  },
});

function requireJudge({ services, path }: RewardMaking): JudgeModel {
  if (services.judge) return services.judge;
  throw new LachesisError(
    "REWARD_INVALID",
    `${path}: the reward judge needs a judge model, and none is configured.`,
    {
      hint: "Set env.judge.base_url and env.judge.model_name (docs/rewards.md, Judge).",
    },
  );
}

type VoteCall = {
  judge: JudgeModel;
  parameters: JudgeParameters;
  call: RewardCall;
  judged: string;
  vote: number;
};

async function voteByRubric({ judge, parameters, call, judged, vote }: VoteCall): Promise<Vote> {
  const { criteria, scale, reference_field, instructions, max_chars, votes } = parameters;
  const [least, greatest] = scale;
  const marks = z.strictObject(
    Object.fromEntries(criteria.map(({ name }) => [name, z.int().min(least).max(greatest)])),
  );
  const list = criteria.map(({ name, description }) => `- ${name}: ${description}`).join("\n");
  const messages = judgeMessages({
    task: joined(
      `Mark the answer on a scale from ${least} to ${greatest} by each of these criteria:\n${list}\n`,
      instructions,
    ),
    materials: [
      ...questionAndReference(parameters, call, reference_field === null ? null : "Reference answer"),
      { title: "Answer to mark", text: judged },
    ],
    answerForm: `Answer with one JSON object and nothing else: {"reason": "in one or two sentences", "marks": {${criteria.map(({ name }) => `"${name}": whole number`).join(", ")}}}.`,
    maxChars: max_chars,
  });
  const verdict = z.strictObject({ reason: z.string(), marks });
  const given = await judge.ask(
    { messages, verdictName: "marks", verdict, vote, votes },
    { signal: call.signal },
  );
  const shares = criteria.map(({ name, weight }) => {
    const mark = given.marks[name] ?? least;
    return { name, weight, share: (mark - least) / (greatest - least) };
  });
  const total = shares.reduce((sum, { weight }) => sum + weight, 0);
  return {
    score: shares.reduce((sum, { weight, share }) => sum + weight * share, 0) / total,
    metrics: Object.fromEntries(shares.map(({ name, share }) => [name, share])),
  };
}

const comparison = z.strictObject({ reason: z.string(), better: z.enum(["first", "second", "tie"]) });

/** Judges favour a place: both orders are asked, and a verdict that turns with the order is a tie. */
async function voteByComparison({ judge, parameters, call, judged, vote }: VoteCall): Promise<Vote> {
  const { instructions, max_chars, votes, reference_field } = parameters;
  const reference = textField(call.item, reference_field ?? "");
  const ask = async (first: string, second: string) => {
    const messages = judgeMessages({
      task: joined(
        "Say which of two answers to the question is better: more correct first, then more helpful. Which comes first has no meaning, nor has length.",
        instructions,
      ),
      materials: [
        ...questionAndReference(parameters, call, null),
        { title: "First answer", text: first },
        { title: "Second answer", text: second },
      ],
      answerForm:
        'Answer with one JSON object and nothing else: {"reason": "in one or two sentences", "better": "first", "second" or "tie"}.',
      maxChars: max_chars,
    });
    return judge.ask(
      { messages, verdictName: "comparison", verdict: comparison, vote, votes },
      { signal: call.signal },
    );
  };
  const worth = { first: 1, second: 0, tie: 0.5 };
  const [ahead, behind] = await Promise.all([ask(judged, reference), ask(reference, judged)]);
  const [asFirst, asSecond] = [worth[ahead.better], 1 - worth[behind.better]];
  const score = (asFirst + asSecond) / 2;
  return { score, metrics: { ties: score === 0.5 ? 1 : 0, order_decided: Math.abs(asFirst - asSecond) } };
}

function questionAndReference(
  { question_field, reference_field }: JudgeParameters,
  { rollout, item }: RewardCall,
  referenceTitle: string | null,
): Material[] {
  const question = { title: "Question", text: questionText(rollout, item, question_field) };
  if (referenceTitle === null || reference_field === null) return [question];
  return [question, { title: referenceTitle, text: textField(item, reference_field) }];
}

const joined = (task: string, instructions: string): string =>
  instructions === "" ? task : `${task} ${instructions}`;

function meansOf(records: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const names = Object.keys(records[0] ?? {});
  return Object.fromEntries(
    names.map((name) => [
      name,
      records.reduce((sum, record) => sum + (record[name] ?? 0), 0) / records.length,
    ]),
  );
}
