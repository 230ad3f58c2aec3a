/**
 * Tokenizers in the format of the Hugging Face hub: a folder with tokenizer.json and tokenizer_config.json.
 * Ids that a tokenizer doesn't know are told, never guessed.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { Tokenizer as HubTokenizer } from "@huggingface/tokenizers";
import { LachesisError } from "../contracts/errors.ts";

export interface TokenDecoder {
  /** The text of the ids, special tokens included; ids outside the vocabulary read as "<id?>". */
  decode(ids: readonly number[]): string;
}

/** Reads a tokenizer from a folder. Rejects with TOKENIZER_NOT_FOUND or TOKENIZER_INVALID. */
export async function loadTokenizer(folder: string): Promise<TokenDecoder> {
  const tokenizer = await readPart(folder, "tokenizer.json");
  const config = await readPart(folder, "tokenizer_config.json");
  try {
    return new FolderTokenizer(new HubTokenizer(tokenizer, config));
  } catch (error) {
    throw invalid(folder, error);
  }
}

class FolderTokenizer implements TokenDecoder {
  readonly #tokenizer: HubTokenizer;

  constructor(tokenizer: HubTokenizer) {
    this.#tokenizer = tokenizer;
  }

  decode(ids: readonly number[]): string {
    let text = "";
    let known: number[] = [];
    const flush = () => {
      if (known.length > 0) text += this.#tokenizer.decode(known, { skip_special_tokens: false });
      known = [];
    };
    for (const id of ids) {
      if (this.#tokenizer.id_to_token(id) !== undefined) known.push(id);
      else {
        flush();
        text += `<${id}?>`;
      }
    }
    flush();
    return text;
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
