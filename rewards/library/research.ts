/** Rewards for work with tools, the web's above all: a short answer, tools that were used, turns, sources. */
import { z } from "zod";
import { answerText, defineReward, type RewardItem, textField } from "../reward.ts";
import { citedUrls, seenUrls, siteOf, toolOutcomes } from "./web-sources.ts";

export const shortAnswerReward = defineReward({
  name: "short_answer",
  description:
    "1 when the line that begins with the marker is the gold answer or an alias of it, small differences of writing aside; else 0.",
  parameters: z.strictObject({
    answer_field: z.string().default("answer").describe("The item's field with the gold answer."),
    aliases_field: z
      .string()
      .default("aliases")
      .describe("The item's field with a list of other right answers; items may lack it."),
    marker: z.string().min(1).default("Answer:").describe("What the answer's line begins with."),
  }),
  create:
    ({ answer_field, aliases_field, marker }) =>
    ({ rollout, item }) => {
      const given = new Set(markedLines(answerText(rollout), marker).map(plainly));
      const [answer] = given;
      // Who gives several answers has given none.
      if (answer === undefined || answer === "" || given.size > 1) return 0;
      const right = [textField(item, answer_field), ...aliases(item, aliases_field)].map(plainly);
      return right.includes(answer) ? 1 : 0;
    },
});

export const usedToolsReward = defineReward({
  name: "used_tools",
  description: "1 when enough calls of these tools succeeded, else 0.",
  parameters: z.strictObject({
    tools: z.array(z.string()).min(1).nullable().default(null).describe("Their names. null = any tool."),
    least: z.int().min(1).default(1).describe("How many calls have to succeed."),
  }),
  create:
    ({ tools, least }) =>
    ({ rollout }) => {
      const useful = toolOutcomes(rollout).filter(
        ({ name, succeeded }) => succeeded && (tools === null || tools.includes(name)),
      );
      return useful.length >= least ? 1 : 0;
    },
});

export const turnEfficiencyReward = defineReward({
  name: "turn_efficiency",
  description: "1 for up to `free` model calls, less for each further one, down to 0.",
  parameters: z.strictObject({
    free: z.int().min(1).default(5),
    per_turn: z.number().positive().max(1).default(0.08).describe("What each further model call costs."),
  }),
  create:
    ({ free, per_turn }) =>
    ({ rollout }) =>
      Math.max(0, 1 - per_turn * Math.max(0, rollout.turnsUsed - free)),
});

export const citedSourcesReward = defineReward({
  name: "cited_sources",
  description:
    "The share of the sites that should be cited; an address that the tools never gave makes it 0.",
  parameters: z.strictObject({
    least: z.int().min(1).default(2).describe("Sites that are enough for 1."),
  }),
  create:
    ({ least }) =>
    ({ rollout }) => {
      const seen = seenUrls(rollout);
      const cited = [...citedUrls(answerText(rollout))];
      const invented = cited.filter((url) => !seen.has(url)).length;
      const sites = new Set(cited.map(siteOf));
      const score = invented > 0 ? 0 : Math.min(1, sites.size / least);
      return { score, metrics: { cited: cited.length, invented } };
    },
});

function markedLines(text: string, marker: string): string[] {
  const wanted = marker.toLowerCase();
  return text.split("\n").flatMap((line) => {
    const bare = line.replaceAll(/[*_`#>]/g, "").trim();
    return bare.toLowerCase().startsWith(wanted) ? [bare.slice(wanted.length)] : [];
  });
}

function aliases(item: RewardItem, field: string): string[] {
  const list = z.array(z.union([z.string(), z.number().transform(String)])).safeParse(item[field]);
  return list.success ? list.data : [];
}

/** Without case, accents of typography, articles, thousands separators and punctuation at the ends. */
function plainly(text: string): string {
  return text
    .normalize("NFKC")
    .toLowerCase()
    .replaceAll(/[\u2018\u2019]/g, "'")
    .replaceAll(/(?<=\d),(?=\d{3}\b)/g, "")
    .replaceAll(/^[\s"'.,;:!?()\u201c\u201d]+|[\s"'.,;:!?()\u201c\u201d]+$/g, "")
    .replace(/^(?:the|an?)\s+/, "")
    .replaceAll(/\s+/g, " ");
}
