/**
 * Questions to answer from the web: search, read, and end with a line "Answer: …" that names its pages. Any dataset
 * with a question and a short answer over the configured search; without one, a few questions about a little web
 * that ships. A right answer counts when the web was really used for it, and a little more with few turns and sources
 * that were really seen.
 */
import { join } from "node:path";
import { z } from "zod";
import type { RewardItem } from "../rewards/reward.ts";
import type { Tool } from "../src/contracts/tool.ts";
import type { EnvDefaults } from "../src/env/env-class.ts";
import { inTurn, type Policy, type ValidationPolicies } from "../src/env/policies.ts";
import { builtinTools } from "../src/tools/builtin-tools.ts";
import { noToolServices } from "../src/tools/tool-services.ts";
import { DatasetEnv, datasetConfig } from "./dataset.ts";
import { LittleWeb } from "./web-research/little-web.ts";
import { researchRow, researchTurn } from "./web-research/research-play.ts";

const data = join(import.meta.dirname, "data");

/** Questions about the little web. */
export const bundledResearch = {
  train: join(data, "web-research-train.jsonl"),
  test: join(data, "web-research-test.jsonl"),
} as const;

export const webResearchConfig = datasetConfig.extend({
  prompt_field: z.string().default("question").describe("Column with the question."),
  web: z
    .enum(["auto", "bundled", "configured"])
    .default("auto")
    .describe(
      "What web_search and web_extract work on: the little web that ships (bundled), or what web_* configures. auto = bundled for the questions that ship.",
    ),
});

type WebResearchConfig = z.output<typeof webResearchConfig>;

const webTools = ["web_search", "web_extract"];

export class WebResearchEnv extends DatasetEnv<WebResearchConfig> {
  static override readonly envName = "web-research";
  static override readonly description =
    "Questions to answer from the web, with sources that were really read.";
  static override readonly configSchema = webResearchConfig;
  static override readonly defaults: EnvDefaults<WebResearchConfig> = {
    env: {
      enabled_toolsets: ["web"],
      max_agent_turns: 15,
      reward: {
        type: "combined",
        weight: 1,
        params: {
          how: "product",
          rewards: [
            "short_answer",
            { type: "used_tools", params: { tools: webTools } },
            {
              type: "combined",
              params: {
                rewards: [
                  { type: "constant", weight: 0.7 },
                  { type: "turn_efficiency", weight: 0.15 },
                  { type: "cited_sources", weight: 0.15 },
                ],
              },
            },
          ],
        },
      },
    },
  };

  readonly #littleWeb = new LittleWeb();

  protected override bundledRows() {
    return bundledResearch;
  }

  override availableTools(): Tool[] {
    const { web, dataset_path: path, dataset_name: name } = this.config;
    const isBundled = web === "bundled" || (web === "auto" && path === null && name === null);
    if (!isBundled) return super.availableTools();
    const services = this.services.tools ?? noToolServices;
    return builtinTools({ ...services, search: this.#littleWeb, reader: this.#littleWeb });
  }

  override formatPrompt(row: RewardItem): string {
    const question = super.formatPrompt(row);
    if (this.config.prompt_template !== null) return question;
    return `${question}

Search the web and read what you find. Name the pages (as URLs) that your answer rests on, and end with one line "Answer: …" that holds the answer alone, in as few words as it takes.`;
  }

  override policies(): ValidationPolicies<RewardItem> {
    const search: Policy = () => ({
      content: null,
      calls: [{ name: "web_search", arguments: { query: "Velmar" } }],
    });
    const madeUp = ["https://www.nowhere.example/a", "https://www.invented.example/b"];
    return {
      gold: (item) => {
        const row = researchRow.safeParse({ ...item, question: super.formatPrompt(item) });
        return row.success ? (view) => researchTurn(row.data, row.data.answer, view) : null;
      },
      cheats: [
        {
          name: "answers without searching",
          play: ({ answer }) => inTurn({ content: `Answer: ${String(answer)}` }),
        },
        {
          name: "cites pages that it made up",
          play: ({ answer }) =>
            inTurn(
              { content: null, calls: [{ name: "web_extract", arguments: { urls: madeUp } }] },
              { content: `By ${madeUp.join(" and ")}.\nAnswer: ${String(answer)}` },
            ),
        },
        {
          name: "lists many answers",
          play: ({ answer }) =>
            inTurn(search, {
              content: ["Harrowick", "1931", answer, "Saltmere"].map((one) => `Answer: ${one}`).join("\n"),
            }),
        },
        {
          name: "lists many answers in one line",
          play: ({ answer }) =>
            inTurn(search, { content: `Answer: Harrowick, 1931, ${String(answer)} or Saltmere` }),
        },
        {
          name: "answers with what it found, unread",
          play: () =>
            inTurn(search, ({ messages }) => ({ content: `Answer: ${messages.at(-1)?.content ?? ""}` })),
        },
        {
          name: "repeats the question",
          play: (row) => inTurn(search, { content: `Answer: ${super.formatPrompt(row)}` }),
        },
      ],
    };
  }
}

export default WebResearchEnv;

if (import.meta.main) await WebResearchEnv.cli();
