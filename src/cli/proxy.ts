/** `environment proxy`: plays foreign agents' rollouts on token servers, until Ctrl-C. */
import { once } from "node:events";
import { Command, Option } from "commander";
import { type Level, pino } from "pino";
import { LachesisError } from "../contracts/errors.ts";
import type { ServerConfig } from "../inference/server-config.ts";
import { GroupDesk } from "../proxy/group-desk.ts";
import { defaultProxyLimits } from "../proxy/proxy-parts.ts";
import { startProxy } from "../proxy/start-proxy.ts";
import { AccessControl, type AccessToken } from "../rollout-api/access.ts";
import { RolloutApiClient } from "../rollout-api/client.ts";
import { EventBus } from "../telemetry/events.ts";
import { type CliIo, processIo, scrubOutput } from "./cli-io.ts";
import { makeColors } from "./colors.ts";
import { readConfigFile } from "./config-file.ts";
import { groupsHelp } from "./config-help.ts";
import { splitArguments } from "./dotted-flags.ts";
import { parseCount, parseDurationMs, parsePort, parseSize } from "./flag-units.ts";
import { openTokenServers } from "./open-token-servers.ts";
import { type ProxyConfig, proxyConfig, proxyConfigurable, proxyFields } from "./proxy-config.ts";
import { collectSecrets, secretScrubber } from "./redact.ts";
import { resolveConfig } from "./resolve-config.ts";
import { Shutdown } from "./shutdown.ts";
import { parseToken, readTokenFile } from "./token-file.ts";

type ProxyFlags = {
  config?: string;
  host: string;
  port: number;
  token?: string;
  tokenFile?: string;
  insecure?: boolean;
  allowedHost?: string[];
  idleTimeout: number;
  maxSessions: number;
  maxRequests: number;
  maxBody: number;
  maxTokens: number;
  logLevel: Level | "silent";
  help?: boolean;
};

/** The subcommand, to be mounted. It runs until SIGINT or SIGTERM and prints one line with its URL. */
export function proxyCommand(io: CliIo = processIo()): Command {
  return new Command("proxy")
    .description(
      "Serves token servers to foreign agents over the APIs of OpenAI and Anthropic, and keeps every token: one session per rollout.",
    )
    .usage("[--openai.<key> <value>] [--env.<key> <value>] [options]")
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void io.stdout.write(text),
      writeErr: (text) => void io.stderr.write(text),
    })
    .option("--config <file>", "YAML file with the top-level keys env and openai; flags win over it")
    .option("--host <address>", "address to listen on", "127.0.0.1")
    .option("--port <number>", "port to listen on; 0 takes any free one", parsePort, 9100)
    .option("--token <token>", "admin's token: makes, scores and ends sessions; better in a file", parseToken)
    .option("--token-file <file>", 'the same in a file, as "admin: token"')
    .option("--insecure", "listen for other machines without a token")
    .option(
      "--allowed-host <name>",
      "name under which a proxy on this machine passes requests on; repeatable",
      (name: string, before: string[] | undefined) => [...(before ?? []), name],
    )
    .option("--idle-timeout <time>", "silence after which a session is forgotten", parseDurationMs, 3_600_000)
    .option("--max-sessions <count>", "sessions at once", parseCount, defaultProxyLimits.maxSessions)
    .option(
      "--max-requests <count>",
      "requests at once within a session",
      parseCount,
      defaultProxyLimits.maxWaiting,
    )
    .option("--max-body <size>", "largest request body", parseSize, defaultProxyLimits.maxBodyBytes)
    .option(
      "--max-tokens <count>",
      "tokens to sample for requests that name no limit",
      parseCount,
      defaultProxyLimits.maxTokens,
    )
    .addOption(
      new Option("--log-level <level>", "of the log on stderr")
        .choices(["debug", "info", "warn", "error", "silent"])
        .default("warn"),
    )
    .helpOption(false)
    .option("-h, --help", "show this help with every key, its type, default and meaning")
    .argument("[arguments...]")
    .allowUnknownOption()
    .configureHelp({ visibleArguments: () => [] })
    .action(async (_arguments: string[], flags: ProxyFlags, self: Command) => {
      if (flags.help) return showHelp(self, io);
      const plain = self.options.flatMap((option) => option.long ?? []);
      const { positionals, flags: dotted } = splitArguments(self.args, plain);
      if (positionals.length > 0) {
        throw new LachesisError("USAGE_INVALID", `proxy: expected flags only, got ${positionals.join(" ")}.`);
      }
      const { env, servers } = resolveConfig({
        envClass: proxyConfigurable,
        file: flags.config === undefined ? undefined : await readConfigFile(flags.config),
        flags: dotted,
        openaiApiKey: io.environment.openaiApiKey,
        rolloutServerToken: io.environment.rolloutServerToken,
      });
      await serveProxy(flags, { config: proxyConfig.parse(env), servers, io });
    });
}

function showHelp(command: Command, io: CliIo): void {
  command.outputHelp();
  const colors = makeColors(io.environment.allowsColor && io.stdout.isTTY === true);
  io.stdout.write(`\n${groupsHelp(proxyFields(), { columns: io.stdout.columns ?? 80, colors })}\n`);
}

type Resolved = { config: ProxyConfig; servers: readonly ServerConfig[]; io: CliIo };

async function serveProxy(flags: ProxyFlags, { config, servers, io }: Resolved): Promise<void> {
  const { environment } = io;
  const tokens = await tokensOf(flags);
  const scrub = secretScrubber([
    ...collectSecrets({ env: config, servers: [...servers], environment }),
    ...tokens.map(({ token }) => token),
  ]);
  const stderr = scrubOutput(io.stderr, scrub);
  const logger = pino({ level: flags.logLevel, base: null }, stderr);
  const events = new EventBus();
  events.on("notice", ({ message }) => void stderr.write(`${message}\n`));
  using shutdown = new Shutdown({ onStage: () => undefined });
  const signal = shutdown.stopping;
  await using stack = new AsyncDisposableStack();
  const opened = stack.use(
    await openTokenServers({ env: config, servers, logger, events, environment, stopping: signal }),
  );
  const { rollout_server_url: url } = config;
  const client =
    url === null
      ? null
      : stack.use(new RolloutApiClient({ url, token: config.rollout_server_token ?? undefined, logger }));
  const description = {
    max_token_length: config.max_token_length,
    desired_name: config.wandb_name,
    weight: config.inference_weight,
    group_size: config.group_size,
    min_batch_allocation: config.min_batch_allocation,
  };
  const desk = stack.use(new GroupDesk(client && { client, description, events }));
  const proxy = stack.use(
    await startProxy({
      servers: opened.servers,
      desk,
      access: new AccessControl(tokens),
      ...(flags.allowedHost && { hosts: flags.allowedHost }),
      limits: {
        idleMs: flags.idleTimeout,
        maxSessions: flags.maxSessions,
        maxWaiting: flags.maxRequests,
        maxBodyBytes: flags.maxBody,
        maxTokens: flags.maxTokens,
      },
      logger,
      host: flags.host,
      port: flags.port,
      insecure: flags.insecure ?? false,
    }),
  );
  io.stdout.write(`Proxy ready: ${proxy.url} (model ${opened.servers.modelName})\n`);
  // A server that stops at the first Ctrl-C has nothing to tell between the first and the second.
  if (!signal.aborted) await once(signal, "abort");
}

async function tokensOf({ token, tokenFile }: ProxyFlags): Promise<AccessToken[]> {
  const inFile = tokenFile === undefined ? [] : await readTokenFile(tokenFile);
  return [...(token === undefined ? [] : [{ role: "admin" as const, token }]), ...inFile];
}
