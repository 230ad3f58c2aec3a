/** Configuration of `environment proxy`: the keys that environments have for tokens and for the rollout server. */
import { z } from "zod";
import { baseEnvConfig } from "../env/env-config.ts";
import { tokenFields } from "../env/token-fields.ts";
import { type FieldGroup, serverFields } from "./config-help.ts";
import { configFields } from "./config-schema.ts";
import type { Configurable } from "./resolve-config.ts";

const { rollout_server_token, group_size, min_batch_allocation, max_token_length, inference_weight } =
  baseEnvConfig.shape;
const {
  tokenizer_name,
  chat_template_kwargs,
  thinking,
  token_history,
  context_length,
  tool_call_parser,
  reasoning_parser,
} = tokenFields;

export const proxyConfig = z.strictObject({
  tokenizer_name,
  chat_template_kwargs,
  thinking,
  token_history,
  context_length,
  tool_call_parser,
  reasoning_parser,
  rollout_server_url: z
    .string()
    .nullable()
    .default(null)
    .describe(
      "Base URL of the rollout API that scored groups go to; null = POST /groups answers with the group.",
    ),
  rollout_server_token,
  wandb_name: z.string().default("proxy").describe("Name to register under at the rollout server."),
  group_size,
  max_token_length,
  inference_weight,
  min_batch_allocation,
});
export type ProxyConfig = z.output<typeof proxyConfig>;

/** To be resolved like an environment's configuration. */
export const proxyConfigurable: Configurable = { envName: "proxy", configSchema: proxyConfig };

export const proxyFields = (): FieldGroup[] => [
  { title: "Tokens and rollout server", prefix: "--env.", fields: configFields(proxyConfig) },
  serverFields(),
];
