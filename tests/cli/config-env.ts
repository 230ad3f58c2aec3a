/** An environment class that is configured but never played, for the tests of flags, files and help. */
import { z } from "zod";
import type { BaseEnv } from "../../src/env/base-env.ts";
import type { EnvClass } from "../../src/env/env-class.ts";
import { hermesAgentEnvConfig } from "../../src/env/env-config.ts";
import { HermesAgentBaseEnv } from "../../src/env/hermes-agent-base-env.ts";

export class ConfigEnv extends HermesAgentBaseEnv {
  static override readonly envName: string = "config-env";
  static readonly description = "Is configured, never played.";
  static readonly configSchema = hermesAgentEnvConfig.extend({
    difficulty: z.enum(["easy", "hard"]).default("easy").describe("How hard the items are."),
    weights: z.record(z.string(), z.number()).default({}).describe("Weight per reward."),
    ids: z.array(z.int()).default([]).describe("Items to play."),
    limit: z
      .union([z.literal("auto"), z.number()])
      .default("auto")
      .describe("Most items."),
    owner: z
      .strictObject({ name: z.string().default("x").describe("Name.") })
      .prefault({})
      .describe("Whose."),
    hub_token: z.string().nullable().default(null).describe("A secret."),
  });
  static readonly defaults = {
    env: { group_size: 8, enabled_toolsets: ["python"], extra_body: { top_k: 20, nested: { a: 1, b: 2 } } },
    openai: { model_name: "class-model", timeout: 30 },
  };

  override async getNextItem(): Promise<null> {
    return null;
  }

  override formatPrompt(): string {
    return "";
  }

  override async computeReward(): Promise<number> {
    return 0;
  }
}

export const configEnv: EnvClass = ConfigEnv;
export type { BaseEnv };
