/** Token servers with the model's tokenizer, chat template and parsers, as the configuration says. */
import { randomUUID } from "node:crypto";
import type { Logger } from "pino";
import { detectParsers } from "../../parsers/detect-parsers.ts";
import { getParser } from "../../parsers/index.ts";
import { getReasoningParser } from "../../parsers/reasoning.ts";
import type { JsonObject } from "../contracts/chat.ts";
import { LachesisError } from "../contracts/errors.ts";
import { type TokenSettings, tokenSettings } from "../env/token-fields.ts";
import { ManagedServers } from "../inference/managed-servers.ts";
import type { ServerConfig } from "../inference/server-config.ts";
import { TokenServerManager } from "../inference/token-server-manager.ts";
import type { EventBus } from "../telemetry/events.ts";
import { ChatFormat } from "../tokens/chat-format.ts";
import type { ChatTemplate } from "../tokens/chat-template.ts";
import { loadTokenizer } from "../tokens/load-tokenizer.ts";
import type { ProcessEnvironment } from "./process-environment.ts";

export type TokenServersOptions = {
  env: Readonly<Record<string, unknown>>;
  servers: readonly ServerConfig[];
  logger: Logger;
  events: EventBus;
  environment: ProcessEnvironment;
  stopping: AbortSignal;
};

/** True where any of the servers speaks token ids: then all have to. */
export const speakTokens = (servers: readonly ServerConfig[]): boolean =>
  servers.some(({ server_type: type }) => type !== "openai");

/** Loads the tokenizer, which may have to be downloaded. Rejects with what is wrong with it, or with the parsers' names. */
export async function openTokenServers(
  options: TokenServersOptions,
): Promise<{ servers: ManagedServers } & AsyncDisposable> {
  const { env, logger, events, environment, stopping } = options;
  const settings = tokenSettings.parse(env);
  await using started = new AsyncDisposableStack();
  const manager = started.use(
    new TokenServerManager({
      servers: options.servers.map((server) => withTokenizer(server, settings)),
      logger: logger.child({ part: "inference" }),
      stopping,
      onNotice: (notice) => events.emit("notice", notice),
    }),
  );
  const { tokenizer, chatTemplate, endOfTurnIds } = started.use(
    await loadTokenizer(manager.tokenizerName, {
      signal: stopping,
      cacheDirectory: environment.cacheDirectory,
      hubToken: environment.hubToken,
    }),
  );
  const template = requireTemplate(chatTemplate, manager.tokenizerName);
  const modelName = [...new Set(options.servers.map((server) => server.model_name))].join(", ");
  const parsers = chooseParsers(settings, { template, modelName, events });
  const servers = new ManagedServers({
    manager,
    format: new ChatFormat({ tokenizer, template, endOfTurnIds }),
    ...parsers,
    toolCallMode: settings.tool_call_mode,
    tokenHistory: settings.token_history,
    templateKwargs: templateKwargs(settings),
    contextLength: settings.context_length,
    modelName,
    runId: randomUUID().slice(0, 8),
  });
  const opened = started.move();
  return { servers, [Symbol.asyncDispose]: () => opened.disposeAsync() };
}

/** A server's own word wins. */
function withTokenizer(server: ServerConfig, { tokenizer_name: name }: TokenSettings): ServerConfig {
  return server.tokenizer_name === "none" && name !== null ? { ...server, tokenizer_name: name } : server;
}

function requireTemplate(template: ChatTemplate | null, name: string): ChatTemplate {
  if (template !== null) return template;
  throw new LachesisError("CHAT_TEMPLATE_INVALID", `The tokenizer ${name} comes without a chat template.`, {
    hint: "Name a tokenizer that has one in env.tokenizer_name: that of the model's chat or instruct version.",
  });
}

function templateKwargs({ chat_template_kwargs: kwargs, thinking }: TokenSettings): JsonObject {
  return { ...(thinking !== null && { enable_thinking: thinking }), ...kwargs };
}

function chooseParsers(
  settings: TokenSettings,
  { template, modelName, events }: { template: ChatTemplate; modelName: string; events: EventBus },
) {
  const { tool_call_parser: tools, reasoning_parser: reasoning } = settings;
  const detected = detectParsers({ chatTemplate: template.source, modelName });
  if (tools === "auto" || reasoning === "auto") {
    const message = `Parsers: ${detected.why}`;
    events.emit("notice", { level: "info", message });
  }
  const toolParser = tools === "auto" ? (detected.toolCallParser ?? "hermes") : tools;
  const reasoningParser = reasoning === "auto" ? detected.reasoningParser : reasoning;
  return {
    parser: getParser(toolParser),
    reasoningParser:
      reasoningParser === null || reasoningParser === "none" ? null : getReasoningParser(reasoningParser),
  };
}
