/**
 * Tokenizer files of the Hugging Face hub, in a cache on disk. The first use asks for the commit and downloads
 * what belongs to the tokenizer; a manifest, written last, says what later runs may use without any network.
 */
import { createHash, randomUUID } from "node:crypto";
import { mkdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { downloadFile, HubApiError, listFiles, modelInfo } from "@huggingface/hub";
import { z } from "zod";
import { LachesisError } from "../contracts/errors.ts";
import { isTokenizerFile } from "./tokenizer-folder.ts";

export type HubModel = { name: string; revision: string };

export type HubModelOptions = {
  signal: AbortSignal;
  cacheDirectory: string;
  hubToken?: string | undefined;
  hubUrl?: string | undefined;
};

type Access = { accessToken?: string; hubUrl?: string; fetch: typeof fetch };
type RemoteFile = { path: string; size: number; sha256: string | null };

const manifestSchema = z.object({
  commit: z.string(),
  files: z.array(z.object({ path: z.string(), size: z.number() })).min(1),
});
type Manifest = z.output<typeof manifestSchema>;

/** `OWNER/MODEL`, `MODEL`, either with `@REVISION`; null for what can't be a name on the hub. */
export function parseHubModel(source: string): HubModel | null {
  const [, name, revision = "main"] = /^([\w.-]+(?:\/[\w.-]+)?)(?:@([\w./-]+))?$/.exec(source) ?? [];
  return name === undefined ? null : { name, revision };
}

/**
 * The folder in the cache that holds the model's tokenizer. Rejects with TOKENIZER_NOT_FOUND,
 * TOKENIZER_ACCESS_DENIED, TOKENIZER_UNREACHABLE, OUTPUT_UNWRITABLE (the cache), or the signal's reason.
 */
export async function cacheHubTokenizer(model: HubModel, options: HubModelOptions): Promise<string> {
  const directory = join(options.cacheDirectory, "tokenizers", model.name.replaceAll("/", "--"));
  const manifestPath = join(directory, `${encodeURIComponent(model.revision)}.json`);
  const cached = await readManifest(manifestPath, directory);
  if (cached !== null) return join(directory, cached.commit);
  const manifest = await download(model, options, directory);
  await writeWhole(manifestPath, JSON.stringify(manifest, null, 2));
  return join(directory, manifest.commit);
}

/** Null unless the manifest and every file it names are there in full. */
async function readManifest(path: string, directory: string): Promise<Manifest | null> {
  try {
    const manifest = manifestSchema.parse(JSON.parse(await readFile(path, "utf8")));
    for (const file of manifest.files) {
      const { size } = await stat(join(directory, manifest.commit, file.path));
      if (size !== file.size) return null;
    }
    return manifest;
  } catch {
    return null;
  }
}

async function download(model: HubModel, options: HubModelOptions, directory: string): Promise<Manifest> {
  const { signal, hubToken, hubUrl } = options;
  if (hubToken !== undefined && !hubToken.startsWith("hf_")) throw malformedToken();
  const access: Access = {
    ...(hubToken === undefined ? {} : { accessToken: hubToken }),
    ...(hubUrl === undefined ? {} : { hubUrl }),
    fetch: (input, init) => fetch(input, { ...init, signal }),
  };
  try {
    const { sha } = await modelInfo({
      name: model.name,
      revision: model.revision,
      additionalFields: ["sha"],
      ...access,
    });
    const files = await listTokenizerFiles(model, sha, access);
    for (const file of files) {
      const target = join(directory, sha, file.path);
      await writeWhole(target, await downloadBytes(model, sha, file, access));
    }
    return { commit: sha, files: files.map(({ path, size }) => ({ path, size })) };
  } catch (error) {
    signal.throwIfAborted();
    throw hubError(error, model, hubToken !== undefined);
  }
}

async function listTokenizerFiles(model: HubModel, commit: string, access: Access): Promise<RemoteFile[]> {
  const files: RemoteFile[] = [];
  const others: string[] = [];
  for await (const entry of listFiles({ repo: model.name, revision: commit, recursive: true, ...access })) {
    if (entry.type !== "file") continue;
    if (isTokenizerFile(entry.path)) {
      files.push({ path: entry.path, size: entry.lfs?.size ?? entry.size, sha256: entry.lfs?.oid ?? null });
    } else if (/token|vocab|merges/i.test(entry.path)) others.push(entry.path);
  }
  if (files.some(({ path }) => path === "tokenizer.json")) return files;
  throw new LachesisError("TOKENIZER_NOT_FOUND", `Model ${model.name} has no tokenizer.json on the hub.`, {
    hint:
      others.length > 0
        ? `It has ${others.slice(0, 8).join(", ")}: convert it with transformers (save_pretrained) to a folder.`
        : "Name the model that it was made from, or a folder with the tokenizer.",
  });
}

async function downloadBytes(
  model: HubModel,
  commit: string,
  file: RemoteFile,
  access: Access,
): Promise<Uint8Array> {
  const damaged = (what: string) =>
    new LachesisError("TOKENIZER_UNREACHABLE", `Downloading ${file.path} of ${model.name} failed: ${what}.`, {
      hint: "Try again, or download the file by hand and name its folder.",
      retryable: true,
    });
  // Plain HTTP works through every proxy and mirror; these files are small.
  const blob = await downloadFile({
    repo: model.name,
    path: file.path,
    revision: commit,
    xet: false,
    ...access,
  });
  if (blob === null) throw damaged("it is listed but not there");
  const bytes = new Uint8Array(await blob.arrayBuffer());
  if (bytes.length !== file.size) throw damaged(`${bytes.length} bytes came for ${file.size}`);
  const checksum = createHash("sha256").update(bytes).digest("hex");
  if (file.sha256 !== null && checksum !== file.sha256) throw damaged("its checksum is wrong");
  return bytes;
}

/** Takes its name only when it is whole. */
async function writeWhole(path: string, content: string | Uint8Array): Promise<void> {
  const temporary = `${path}.${randomUUID()}.part`;
  try {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(temporary, content);
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    const reason = error instanceof Error ? error.message : String(error);
    throw new LachesisError("OUTPUT_UNWRITABLE", `Can't write ${path}: ${reason}`, {
      hint: "Give the tokenizer another cache directory (LACHESIS_CACHE).",
      cause: error,
    });
  }
}

const localAlternative = "or name a local folder with tokenizer.json instead";

function hubError(thrown: unknown, { name }: HubModel, hasToken: boolean): LachesisError {
  if (thrown instanceof LachesisError) return thrown;
  if (thrown instanceof HubApiError && thrown.statusCode === 404) {
    return new LachesisError("TOKENIZER_NOT_FOUND", `The hub has no model ${name} (or not that revision).`, {
      hint: `Correct the name, ${localAlternative}.`,
      cause: thrown,
    });
  }
  // The hub answers 401 for names that don't exist, too: it doesn't tell whether a private one does.
  if (thrown instanceof HubApiError && (thrown.statusCode === 401 || thrown.statusCode === 403)) {
    const refused = hasToken ? "the token doesn't give access" : "no token was given";
    return new LachesisError(
      "TOKENIZER_ACCESS_DENIED",
      `The hub refuses model ${name} (${thrown.statusCode}): it is private, gated or doesn't exist, and ${refused}.`,
      {
        hint: `Set HF_TOKEN to a token that may read it, accept its terms on its page, ${localAlternative}.`,
        cause: thrown,
      },
    );
  }
  const reason =
    thrown instanceof HubApiError ? `it answered with status ${thrown.statusCode}` : describeCause(thrown);
  return new LachesisError(
    "TOKENIZER_UNREACHABLE",
    `The tokenizer of ${name} isn't cached, and the Hugging Face hub can't be reached: ${reason}.`,
    { hint: `Check the network, ${localAlternative}.`, cause: thrown, retryable: true },
  );
}

/** fetch() says just "fetch failed"; the reason is its cause. */
function describeCause(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown);
  return thrown.cause instanceof Error ? thrown.cause.message || thrown.cause.name : thrown.message;
}

function malformedToken(): LachesisError {
  return new LachesisError(
    "TOKENIZER_ACCESS_DENIED",
    "The hub token is malformed: expected one that starts with hf_.",
    { hint: `Correct HF_TOKEN, or unset it for public models, ${localAlternative}.` },
  );
}
