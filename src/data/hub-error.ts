/** What went wrong between us and the hub, told with the way out: a local file works without it. */
import { HubApiError } from "@huggingface/hub";
import { LachesisError } from "../contracts/errors.ts";
import type { HubSource } from "./hub-dataset.ts";

const localAlternative = "or pass a local JSONL or parquet file instead (`--env.dataset_path FILE`)";

export function hubError(thrown: unknown, { name }: HubSource, hasToken: boolean): LachesisError {
  if (thrown instanceof LachesisError) return thrown;
  if (!(thrown instanceof HubApiError)) return unreachable(name, describeCause(thrown), thrown);
  const status = thrown.statusCode;
  if (status === 404) {
    return new LachesisError("DATASET_NOT_FOUND", `The hub has no dataset ${name} (or not that revision).`, {
      hint: `Correct dataset_name, ${localAlternative}.`,
      cause: thrown,
    });
  }
  // The hub answers 401 for names that don't exist, too: it doesn't tell whether a private one does.
  if (status === 401 || status === 403) {
    const refused = hasToken ? "the token doesn't give access" : "no token was given";
    return new LachesisError(
      "DATASET_ACCESS_DENIED",
      `The hub refuses dataset ${name} (${status}): it is private, gated or doesn't exist, and ${refused}.`,
      {
        hint: `Set HF_TOKEN to a token that may read it, accept its terms on its page, ${localAlternative}.`,
        cause: thrown,
      },
    );
  }
  return unreachable(name, `it answered with status ${status}`, thrown);
}

export function invalidToken(): LachesisError {
  return new LachesisError(
    "DATASET_ACCESS_DENIED",
    "The hub token is malformed: expected one that starts with hf_.",
    {
      hint: `Correct HF_TOKEN, or unset it for public datasets, ${localAlternative}.`,
    },
  );
}

function unreachable(name: string, reason: string, cause: unknown): LachesisError {
  return new LachesisError(
    "DATASET_UNREACHABLE",
    `Dataset ${name} isn't cached, and the Hugging Face hub can't be reached: ${reason}.`,
    { hint: `Check the network, ${localAlternative}.`, cause, retryable: true },
  );
}

/** fetch() says just "fetch failed"; the reason is its cause. */
function describeCause(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown);
  return thrown.cause instanceof Error ? thrown.cause.message || thrown.cause.name : thrown.message;
}
