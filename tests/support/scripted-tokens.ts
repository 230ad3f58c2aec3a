/** A token server that samples what a test says, for the practice model's tokenizer. */
import { getParser } from "../../parsers/index.ts";
import { getReasoningParser } from "../../parsers/reasoning.ts";
import type { GenerateRequest, Generation } from "../../src/contracts/token-server.ts";
import { ManagedServer, type ManagedServerOptions } from "../../src/inference/managed-server.ts";
import { ChatFormat } from "../../src/tokens/chat-format.ts";
import { loadTokenizer } from "../../src/tokens/load-tokenizer.ts";

const { tokenizer, chatTemplate } = await loadTokenizer("practice", { signal: new AbortController().signal });
if (chatTemplate === null) throw new Error("the practice tokenizer has a template");

export const practiceFormat = new ChatFormat({ tokenizer, template: chatTemplate });
export const imEnd = tokenizer.addedTokens.get("<|im_end|>") ?? -1;
export const encode = (text: string): number[] => tokenizer.encode(text);
export const decode = (ids: readonly number[]): string => tokenizer.decode(ids);

/** The text a letter at a time, as no tokenizer would have it: added tokens written in it are mere letters. */
export const letters = (text: string): number[] => [...text].flatMap((letter) => tokenizer.encode(letter));

export type ScriptedAnswer = { ids: readonly number[] } & Partial<Generation>;

/** Ended by the model, unless the answer says otherwise. */
export const said = (text: string): ScriptedAnswer => ({ ids: [...encode(text), imEnd] });

let logprob = 0;

/** Answers are given in turn, one a sequence; each id gets a log-probability that no other has. */
export function scriptedServer(
  answers: readonly ScriptedAnswer[],
  options: Partial<ManagedServerOptions> = {},
) {
  const requests: GenerateRequest[] = [];
  const left = [...answers];
  const managed = new ManagedServer({
    server: {
      generate: async (request) => {
        requests.push(request);
        return left.splice(0, request.sampling.n).map(({ ids, ...rest }) => ({
          ids: [...ids],
          logprobs: ids.map(() => {
            logprob -= 1 / 1024;
            return logprob;
          }),
          logprobKind: "raw",
          finishReason: "stop",
          stopReason: null,
          ...rest,
        }));
      },
    },
    format: practiceFormat,
    parser: getParser("hermes"),
    reasoningParser: getReasoningParser("qwen3"),
    sessionId: "r0",
    ...options,
  });
  return { managed, requests };
}
