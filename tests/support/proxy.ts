/** A proxy on a real socket before a practice server that logs its ids, and foreign clients' view of both. */
import { pino } from "pino";
import { Gsm8kTeacher } from "../../environments/gsm8k-agent-teacher.ts";
import { openTokenServers } from "../../src/cli/open-token-servers.ts";
import { serverConfig } from "../../src/inference/server-config.ts";
import { practiceConfig } from "../../src/practice/practice-config.ts";
import { startPracticeServer } from "../../src/practice/practice-server.ts";
import type { TokenLogEntry } from "../../src/practice/token-log.ts";
import type { ProxyOptions } from "../../src/proxy/app.ts";
import { GroupDesk, type RolloutApiOptions } from "../../src/proxy/group-desk.ts";
import type { ProxyLimits } from "../../src/proxy/proxy-parts.ts";
import { startProxy } from "../../src/proxy/start-proxy.ts";
import type { AccessToken } from "../../src/rollout-api/access.ts";
import { AccessControl } from "../../src/rollout-api/access.ts";
import { EventBus } from "../../src/telemetry/events.ts";
import { loadTokenizer } from "../../src/tokens/load-tokenizer.ts";

const never = new AbortController().signal;
/** One for all tests: loading takes longer than playing. */
const model = await loadTokenizer("practice", { signal: never });

export const question = "A crate holds 12 jars. How many jars do 7 crates hold, if 5 jars are broken?";
const answer = "There are 12*7=<<12*7=84>>84 jars.\nWhole are 84-5=<<84-5=79>>79.\n#### 79";

// biome-ignore lint/suspicious/noExplicitAny: answers are looked at as a foreign client would
export type Json = any;

export type Session = { session_id: string; secret: string; base_url: string; anthropic_base_url: string };

export type TestProxy = AsyncDisposable & {
  url: string;
  /** What the inference server sampled and sent. */
  log: TokenLogEntry[];
  createSession(headers?: Record<string, string>): Promise<Session>;
  call(method: string, path: string, body?: object, headers?: Record<string, string>): Promise<Answer>;
  /** Takes the inference server away. */
  stopModel(): Promise<void>;
};
export type Answer = { status: number; headers: Headers; body: Json };

export type TestProxyOptions = Partial<Pick<ProxyOptions, "now">> & {
  practice?: object;
  /** Fields of the server's configuration. */
  server?: object;
  env?: object;
  limits?: Partial<ProxyLimits>;
  tokens?: readonly AccessToken[];
  api?: RolloutApiOptions;
};

export async function startTestProxy(options: TestProxyOptions = {}): Promise<TestProxy> {
  await using started = new AsyncDisposableStack();
  const log: TokenLogEntry[] = [];
  const practice = started.use(
    await startPracticeServer({
      teacher: new Gsm8kTeacher([{ question, answer }]),
      config: practiceConfig.parse({ seed: 3, ...options.practice }),
      model,
      onTokens: (entry) => void log.push(entry),
    }),
  );
  const opened = started.use(
    await openTokenServers({
      env: { tokenizer_name: "practice", ...options.env },
      servers: [
        serverConfig.parse({
          base_url: practice.url,
          server_type: "vllm",
          model_name: "practice",
          ...options.server,
        }),
      ],
      logger: pino({ level: "silent" }),
      events: new EventBus(),
      environment: {
        openaiApiKey: undefined,
        rolloutServerToken: undefined,
        hubToken: undefined,
        cacheDirectory: "",
        sandboxSecrets: {},
        toolSettings: {},
        allowsColor: false,
      },
      stopping: never,
    }),
  );
  const desk = started.use(new GroupDesk(options.api ?? null));
  const proxy = started.use(
    await startProxy({
      servers: opened.servers,
      desk,
      host: "127.0.0.1",
      port: 0,
      access: new AccessControl(options.tokens),
      ...(options.limits && { limits: options.limits }),
      ...(options.now && { now: options.now }),
    }),
  );
  const { url } = proxy;
  const call: TestProxy["call"] = async (method, path, body, headers = {}) => {
    const response = await fetch(url + path, {
      method,
      headers: { ...(body && { "content-type": "application/json" }), ...headers },
      ...(body && { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    const isJson = response.headers.get("content-type")?.includes("json");
    return { status: response.status, headers: response.headers, body: isJson ? JSON.parse(text) : text };
  };
  const all = started.move();
  return {
    url,
    log,
    call,
    createSession: async (headers = {}) => (await call("POST", "/sessions", {}, headers)).body,
    stopModel: () => practice.close(),
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  };
}

/** The `python` tool of the practice server's teacher, and a run of it that is as good as any. */
export const python = {
  type: "function" as const,
  function: {
    name: "python",
    description: "Runs Python.",
    parameters: {
      type: "object",
      properties: { code: { type: "string" } },
      required: ["code"],
    },
  },
};
