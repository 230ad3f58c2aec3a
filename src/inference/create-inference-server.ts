/** The one place that knows which class serves which `server_type`. */
import { LachesisError } from "../contracts/errors.ts";
import type { Clock } from "./clock.ts";
import type { InferenceServer } from "./inference-server.ts";
import { OpenAiServer } from "./openai-server.ts";
import type { ServerConfig } from "./server-config.ts";

export function createInferenceServer(config: ServerConfig, { clock }: { clock: Clock }): InferenceServer {
  if (config.server_type === "openai") return new OpenAiServer({ config, now: clock.now });
  throw new LachesisError(
    "CONFIG_INVALID",
    `server_type "${config.server_type}" is not served yet; expected "openai", for ${config.base_url || "base_url"}.`,
    { hint: 'Most servers have an OpenAI-compatible API too: use server_type "openai" with its /v1 URL.' },
  );
}
