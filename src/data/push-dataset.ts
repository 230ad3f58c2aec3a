/**
 * Puts files into a dataset of the Hugging Face hub, in one commit. A new dataset is private unless told otherwise;
 * one that is there keeps what it has under other names. Nothing here runs unless somebody asked for it by name.
 */
import { openAsBlob } from "node:fs";
import { createRepo, HubApiError, uploadFiles } from "@huggingface/hub";
import { LachesisError } from "../contracts/errors.ts";

export type PushOptions = {
  /** OWNER/NAME */
  name: string;
  files: readonly { path: string; nameInDataset: string }[];
  token: string | undefined;
  isPublic: boolean;
  /** Default: the public hub. */
  hubUrl?: string | undefined;
  signal: AbortSignal;
};

/** Throws USAGE_INVALID or HUB_PUSH_FAILED for what can't succeed, before any work is done for it. */
export function requirePushable({ name, token }: Pick<PushOptions, "name" | "token">): void {
  if (!/^[\w.-]+\/[\w.-]+$/.test(name)) {
    throw new LachesisError("USAGE_INVALID", `--push-to-hub: expected OWNER/NAME, got "${name}".`);
  }
  if (token === undefined || !token.startsWith("hf_")) {
    const what = token === undefined ? "HF_TOKEN is not set" : "HF_TOKEN is malformed: it starts with hf_";
    throw new LachesisError("HUB_PUSH_FAILED", `Can't push to ${name}: ${what}.`, {
      hint: "Set HF_TOKEN to a token that may write to that dataset.",
    });
  }
}

/** Resolves with the dataset's address. Rejects with HUB_PUSH_FAILED or the signal's reason. */
export async function pushDataset(options: PushOptions): Promise<string> {
  requirePushable(options);
  const { name, files, token = "", isPublic, hubUrl, signal } = options;
  const access = {
    accessToken: token,
    ...(hubUrl !== undefined && { hubUrl }),
    fetch: (input: string | URL | Request, init?: RequestInit) => fetch(input, { ...init, signal }),
  };
  const repo = { type: "dataset", name } as const;
  try {
    await createRepo({ ...access, repo, visibility: isPublic ? "public" : "private" }).catch(
      (error: unknown) => {
        // It is there already, and stays as private or public as it is.
        if (!(error instanceof HubApiError) || error.statusCode !== 409) throw error;
      },
    );
    await uploadFiles({
      ...access,
      repo,
      commitTitle: `Upload ${files.map(({ nameInDataset }) => nameInDataset).join(", ")}`,
      files: await Promise.all(
        files.map(async ({ path, nameInDataset }) => ({
          path: nameInDataset,
          content: await openAsBlob(path),
        })),
      ),
      useXet: false,
    });
  } catch (error) {
    signal.throwIfAborted();
    throw pushError(error, name);
  }
  return `${hubUrl ?? "https://huggingface.co"}/datasets/${name}`;
}

function pushError(error: unknown, name: string): LachesisError {
  if (error instanceof HubApiError) {
    const hint =
      error.statusCode === 401 || error.statusCode === 403
        ? "Set HF_TOKEN to a token that may write to that dataset."
        : "The files are on disk; `environment convert … --push-to-hub` tries again.";
    const message = `The hub refused ${name} (${error.statusCode}): ${error.message}`;
    return new LachesisError("HUB_PUSH_FAILED", message, { hint, cause: error });
  }
  const reason =
    error instanceof Error
      ? error.cause instanceof Error
        ? error.cause.message
        : error.message
      : String(error);
  return new LachesisError("HUB_PUSH_FAILED", `Can't push to ${name}: ${reason}`, {
    hint: "The files are on disk; `environment convert … --push-to-hub` tries again.",
    cause: error,
    retryable: true,
  });
}
