/**
 * The files of one tokenizer as the Hugging Face hub lays them out: tokenizer.json, tokenizer_config.json, chat
 * templates, which stand in the configuration or, since 2025, in files of their own, and of generation_config.json
 * the ids at which the model stops.
 */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { LachesisError } from "../contracts/errors.ts";

/** A special token as configurations write it: its text, or an object around it. */
const specialToken = z
  .union([z.string(), z.object({ content: z.string() }).transform(({ content }) => content)])
  .nullish();

const namedTemplates = z.array(z.object({ name: z.string(), template: z.string() }));

const configSchema = z.looseObject({
  bos_token: specialToken,
  eos_token: specialToken,
  pad_token: specialToken,
  unk_token: specialToken,
  chat_template: z.union([z.string(), namedTemplates]).nullish(),
});

const generationConfigSchema = z.looseObject({
  eos_token_id: z
    .union([
      z
        .int()
        .min(0)
        .transform((id) => [id]),
      z.array(z.int().min(0)),
    ])
    .nullish()
    .catch(null),
});

export type TokenizerConfig = z.output<typeof configSchema>;

export type TokenizerFiles = {
  /** tokenizer.json, unparsed: worker threads get the text, too. */
  definition: string;
  config: TokenizerConfig;
  /** Jinja texts by name; "default" is the one for everything, "tool_use" for requests with tools. */
  templates: ReadonlyMap<string, string>;
  /** `eos_token_id` of generation_config.json; empty without that file. */
  endOfTurnIds: readonly number[];
};

const singleFiles: readonly string[] = [
  "tokenizer.json",
  "tokenizer_config.json",
  "generation_config.json",
  "chat_template.jinja",
  "chat_template.json",
];

/** Names that a model's folder may have; of these the hub's are downloaded. */
export function isTokenizerFile(path: string): boolean {
  return singleFiles.includes(path) || /^additional_chat_templates\/[^/]+\.jinja$/.test(path);
}

/** Reads a folder. Rejects with TOKENIZER_NOT_FOUND or TOKENIZER_INVALID. */
export async function readTokenizerFolder(
  folder: string,
  { signal }: { signal: AbortSignal },
): Promise<TokenizerFiles> {
  signal.throwIfAborted();
  const definition = await readRequired(folder, "tokenizer.json", signal);
  const config = await readConfig(join(folder, "tokenizer_config.json"), configSchema, signal);
  const generation = await readConfig(join(folder, "generation_config.json"), generationConfigSchema, signal);
  return {
    definition,
    config,
    templates: await readTemplates(folder, config, signal),
    endOfTurnIds: generation.eos_token_id ?? [],
  };
}

/** A file that isn't there is an empty object. */
async function readConfig<Schema extends z.ZodType>(
  path: string,
  schema: Schema,
  signal: AbortSignal,
): Promise<z.output<Schema>> {
  const config = schema.safeParse(parseJson((await readOptional(path, signal)) ?? "{}", path));
  if (!config.success) throw invalidTokenizer(path, new Error(z.prettifyError(config.error)));
  return config.data;
}

/** Files win over the configuration, as in transformers. */
async function readTemplates(
  folder: string,
  { chat_template: configured }: TokenizerConfig,
  signal: AbortSignal,
): Promise<Map<string, string>> {
  const templates = new Map<string, string>();
  if (typeof configured === "string") templates.set("default", configured);
  else for (const { name, template } of configured ?? []) templates.set(name, template);
  const jsonPath = join(folder, "chat_template.json");
  const json = await readOptional(jsonPath, signal);
  if (json !== null) {
    const parsed = z.object({ chat_template: z.string() }).safeParse(parseJson(json, jsonPath));
    if (!parsed.success) throw invalidTokenizer(jsonPath, new Error(z.prettifyError(parsed.error)));
    templates.set("default", parsed.data.chat_template);
  }
  const single = await readOptional(join(folder, "chat_template.jinja"), signal);
  if (single !== null) templates.set("default", single);
  const more = join(folder, "additional_chat_templates");
  for (const file of await readdir(more).catch(() => [])) {
    if (!file.endsWith(".jinja")) continue;
    const text = await readOptional(join(more, file), signal);
    if (text !== null) templates.set(file.slice(0, -".jinja".length), text);
  }
  return templates;
}

async function readRequired(folder: string, name: string, signal: AbortSignal): Promise<string> {
  const text = await readOptional(join(folder, name), signal);
  if (text !== null) return text;
  throw new LachesisError(
    "TOKENIZER_NOT_FOUND",
    `Expected a tokenizer in ${folder}, but it has no ${name}.`,
    {
      hint: "Name a folder that holds tokenizer.json and tokenizer_config.json.",
    },
  );
}

/** Null when there is no such file. */
async function readOptional(path: string, signal: AbortSignal): Promise<string | null> {
  try {
    return await readFile(path, { encoding: "utf8", signal });
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ENOTDIR")) {
      return null;
    }
    throw invalidTokenizer(path, error);
  }
}

function parseJson(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw invalidTokenizer(path, error);
  }
}

export function invalidTokenizer(path: string, cause: unknown): LachesisError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new LachesisError("TOKENIZER_INVALID", `The tokenizer in ${path} can't be read: ${reason}`, {
    hint: "Download the model's tokenizer files afresh.",
    cause,
  });
}
