/**
 * Tokenizers in the format of the Hugging Face hub: a folder with tokenizer.json and tokenizer_config.json.
 * Ids that a tokenizer doesn't know are told, never guessed.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { LachesisError } from "../contracts/errors.ts";
import { ChatTemplate } from "./chat-template.ts";
import { HubTokenizer } from "./hub-tokenizer.ts";
import type { Tokenizer } from "./tokenizer.ts";

export type LoadTokenizerOptions = {
  signal: AbortSignal;
  /** Where downloads are kept for later runs. */
  cacheDirectory?: string;
  /** For private and gated models; undefined = public only. */
  hubToken?: string | undefined;
  /** Default: the public hub. */
  hubUrl?: string;
};

/** Disposal stops its worker threads. */
export type LoadedTokenizer = AsyncDisposable & {
  tokenizer: Tokenizer;
  /** Null where the model ships none. */
  chatTemplate: ChatTemplate | null;
};

/** Reads a tokenizer from a folder. Rejects with TOKENIZER_NOT_FOUND or TOKENIZER_INVALID. */
export async function loadTokenizer(
  source: string,
  { signal }: LoadTokenizerOptions,
): Promise<LoadedTokenizer> {
  signal.throwIfAborted();
  const definition = await readPart(source, "tokenizer.json");
  const config = await readPart(source, "tokenizer_config.json");
  try {
    const tokenizer = new HubTokenizer(source, definition, config);
    const template = "chat_template" in config ? config.chat_template : undefined;
    return {
      tokenizer,
      chatTemplate: typeof template === "string" ? new ChatTemplate(template) : null,
      [Symbol.asyncDispose]: async () => undefined,
    };
  } catch (error) {
    throw invalid(source, error);
  }
}

async function readPart(folder: string, name: string): Promise<object> {
  const path = join(folder, name);
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new LachesisError("TOKENIZER_NOT_FOUND", `Expected a tokenizer in ${folder}: ${reason}`, {
      hint: "Name a folder that holds tokenizer.json and tokenizer_config.json.",
      cause: error,
    });
  }
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null) return value;
  } catch (error) {
    throw invalid(path, error);
  }
  throw invalid(path, new Error("expected a JSON object"));
}

function invalid(path: string, cause: unknown): LachesisError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new LachesisError("TOKENIZER_INVALID", `The tokenizer in ${path} can't be read: ${reason}`, {
    hint: "Download the model's tokenizer files afresh.",
    cause,
  });
}
