/** The one place that knows which class serves which `server_type`. */
import { LachesisError } from "../contracts/errors.ts";
import { AtroposServer } from "./atropos-server.ts";
import { type Clock, systemClock } from "./clock.ts";
import type { TokenServerOptions } from "./http-token-server.ts";
import type { InferenceServer, TokenInferenceServer } from "./inference-server.ts";
import { LlamaCppServer } from "./llamacpp-server.ts";
import { OpenAiServer } from "./openai-server.ts";
import type { ServerConfig } from "./server-config.ts";
import { SglangServer } from "./sglang-server.ts";
import { TrlServer } from "./trl-server.ts";
import { VllmServer } from "./vllm-server.ts";

type TokenServerType = Exclude<ServerConfig["server_type"], "openai">;

const tokenServers: Record<TokenServerType, new (options: TokenServerOptions) => TokenInferenceServer> = {
  vllm: VllmServer,
  sglang: SglangServer,
  llamacpp: LlamaCppServer,
  trl: TrlServer,
  atropos: AtroposServer,
};

/** A server that answers chat. Throws CONFIG_INVALID for a `server_type` that speaks tokens. */
export function createInferenceServer(config: ServerConfig, { clock }: { clock: Clock }): InferenceServer {
  if (config.server_type === "openai") return new OpenAiServer({ config, now: clock.now });
  throw new LachesisError(
    "CONFIG_INVALID",
    `server_type "${config.server_type}" speaks token ids, not chat; expected "openai", for ${config.base_url || "base_url"}.`,
    { hint: 'For chat alone use server_type "openai" with the server\'s OpenAI-compatible /v1 URL.' },
  );
}

/** A server that takes and gives token ids. Throws CONFIG_INVALID for "openai", and without a base_url. */
export function createTokenServer(
  config: ServerConfig,
  { clock = systemClock }: { clock?: Clock } = {},
): TokenInferenceServer {
  const { server_type } = config;
  if (server_type !== "openai") return new tokenServers[server_type]({ config, now: clock.now });
  throw new LachesisError(
    "CONFIG_INVALID",
    `server_type "openai" gives no exact tokens, for ${config.base_url || "base_url"}.`,
    { hint: `Name the server's own type: ${Object.keys(tokenServers).join(", ")}.` },
  );
}
