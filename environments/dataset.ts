/**
 * Any dataset with any registered reward, without code: each row is a prompt (a text, a template over the row's
 * columns, or a list of messages), and `env.reward` scores what the model makes of it.
 */
import { join } from "node:path";
import { z } from "zod";
import type { RewardItem } from "../rewards/reward.ts";
import type { ChatMessage, JsonObject } from "../src/contracts/chat.ts";
import { rowAsJson } from "../src/data/row-json.ts";
import type { PrepareOptions } from "../src/env/base-env.ts";
import type { EnvDefaults } from "../src/env/env-class.ts";
import { hermesAgentEnvConfig } from "../src/env/env-config.ts";
import type { EvaluateOptions, Evaluation } from "../src/env/evaluation.ts";
import { inTurn, type ValidationPolicies } from "../src/env/policies.ts";
import { RewardedEnv, rewardFields } from "./rewarded-env.ts";
import { RowSource, rowFields } from "./row-source.ts";

/** Rows of `prompt` and `answer` for who validates without a dataset. */
const exampleRows = join(import.meta.dirname, "data", "dataset-example.jsonl");

export const datasetConfig = hermesAgentEnvConfig.extend({
  ...rowFields,
  ...rewardFields,
  prompt_field: z
    .string()
    .default("prompt")
    .describe("Column with the prompt: a text, or a list of messages { role, content }."),
  prompt_template: z
    .string()
    .nullable()
    .default(null)
    .describe('Prompt made of columns, instead of prompt_field, e.g. "{question}\\nAnswer with a number."'),
  category_field: z
    .string()
    .nullable()
    .default("category")
    .describe("Column with the category that an evaluation counts a row under. Rows without it have none."),
});

export type DatasetConfig = z.output<typeof datasetConfig>;

const message = z.discriminatedUnion("role", [
  z.object({ role: z.literal("system"), content: z.string() }),
  z.object({ role: z.literal("user"), content: z.string() }),
  z.object({ role: z.literal("assistant"), content: z.string() }),
]);
const conversation = z
  .array(message)
  .refine((messages) => messages.at(-1)?.role === "user", "the last message must be the user's");

const placeholder = /\{(\w+)\}/g;

export class DatasetEnv<Config extends DatasetConfig = DatasetConfig> extends RewardedEnv<
  RewardItem,
  Config
> {
  static override readonly envName: string = "dataset";
  static readonly description: string =
    "Any dataset (hub, JSONL, parquet) with any registered reward, without code.";
  static readonly configSchema: z.ZodObject = datasetConfig;
  static readonly defaults: EnvDefaults<DatasetConfig> = { env: { enabled_toolsets: [] } };

  #rows: RowSource<RewardItem> | undefined;

  #isValidated = false;

  override async prepare(options: PrepareOptions): Promise<void> {
    this.#isValidated = options.purpose === "validate";
    await super.prepare(options);
  }

  /** Files that ship with Lachesis, for who names no dataset; here for validation alone. */
  protected bundledRows(): { train: string; test: string } | undefined {
    if (!this.#isValidated) return undefined;
    if (this.config.dataset_path === null && this.config.dataset_name === null) {
      this.services.events.emit("notice", {
        level: "warn",
        message:
          "No dataset is named: a few example rows are played. Name yours by --env.dataset_path or --env.dataset_name, with its --env.prompt_field and --env.reward.",
      });
    }
    return { train: exampleRows, test: exampleRows };
  }

  /** A row of the dataset as this environment wants it, e.g. with the column that the prompt is made of. */
  protected completeRow(row: RewardItem): RewardItem {
    return row;
  }

  /** Throws where a row can't be played, though a prompt can be made of it; such a row is left out. */
  protected acceptRow(_row: RewardItem): void {}

  override async setup({ signal }: { signal: AbortSignal }): Promise<void> {
    const { config, services } = this;
    const bundled = this.bundledRows();
    const anyRow = z.looseObject({});
    const complete = (raw: unknown) => {
      const row = anyRow.safeParse(raw);
      return row.success ? this.completeRow(row.data) : raw;
    };
    const schema = z.preprocess(complete, rowSchema(config)).superRefine((row, context) => {
      try {
        this.acceptRow(row);
      } catch (error) {
        context.addIssue({ code: "custom", message: error instanceof Error ? error.message : String(error) });
      }
    });
    this.#rows = await RowSource.open({ config, schema, services, signal, ...(bundled && { bundled }) });
  }

  override async getNextItem(): Promise<RewardItem | null> {
    return this.#rows?.next() ?? null;
  }

  formatPrompt(row: RewardItem): string {
    const { prompt_template: template, prompt_field: field } = this.config;
    if (template === null) return String(row[field]);
    return template.replace(placeholder, (_all, column: string) => String(row[column]));
  }

  override initialMessages(row: RewardItem): ChatMessage[] {
    const { system_prompt: systemPrompt, prompt_template: template, prompt_field: field } = this.config;
    const messages = template === null ? conversation.safeParse(row[field]) : undefined;
    if (!messages?.success) return super.initialMessages(row);
    const brings = messages.data[0]?.role === "system" || systemPrompt === null;
    return brings ? messages.data : [{ role: "system", content: systemPrompt }, ...messages.data];
  }

  /** Answers with the row's `answer`, where it has one. */
  override policies(): ValidationPolicies<RewardItem> {
    return {
      gold: ({ answer }) =>
        typeof answer === "string" || typeof answer === "number" ? inTurn({ content: String(answer) }) : null,
      cheats: [
        {
          name: "repeats the prompt",
          play: (row) => inTurn({ content: lastContent(this.initialMessages(row)) }),
        },
      ],
    };
  }

  override async evaluate(options: EvaluateOptions): Promise<Evaluation | null> {
    if (this.#rows === undefined) return null;
    return this.evaluateItems(this.#rows.heldOut(), {
      ...options,
      describe: (row, rollout) => ({
        item: rowAsJson(row),
        reward_parts: { ...this.rewardOf(rollout)?.parts },
        ...this.#categoryOf(row),
      }),
    });
  }

  #categoryOf(row: RewardItem): JsonObject {
    const { category_field: field } = this.config;
    const category = field === null ? undefined : row[field];
    const isName = (typeof category === "string" && category.trim() !== "") || typeof category === "number";
    return isName ? { category: String(category) } : {};
  }

  override checkpointState(): JsonObject | null {
    return this.#rows?.position ?? null;
  }

  override async restoreState(state: JsonObject): Promise<void> {
    this.#rows?.restore(state);
  }
}

const lastContent = (messages: readonly ChatMessage[]): string => messages.at(-1)?.content ?? "";

/** Accepts rows from which a prompt can be made. */
function rowSchema({ prompt_template: template, prompt_field: field }: DatasetConfig): z.ZodType<RewardItem> {
  const text = z.string().refine((value) => value.trim() !== "", "is blank");
  if (template === null) {
    return z.looseObject({
      [field]: z.union([text, conversation], { error: "expected a text or a list of messages" }),
    });
  }
  const columns = [...template.matchAll(placeholder)].map(([, column = ""]) => column);
  const cell = z.union([text, z.number(), z.boolean(), z.bigint()], { error: "expected a text or a number" });
  return z.looseObject(Object.fromEntries(columns.map((column) => [column, cell])));
}

export default DatasetEnv;

if (import.meta.main) await DatasetEnv.cli();
