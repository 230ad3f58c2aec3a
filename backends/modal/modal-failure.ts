/** What Modal's SDK throws, as errors that say what to do: its account and setup are ours to mend, the rest may pass. */
import { z } from "zod";
import { LachesisError } from "../../src/contracts/errors.ts";

/** A failed gRPC call, as nice-grpc throws it. */
const callFailure = z.object({ code: z.int(), details: z.string() });
const status = { notFound: 5, permissionDenied: 7, resourceExhausted: 8, unauthenticated: 16 } as const;

export const credentialsHint =
  "Set MODAL_TOKEN_ID and MODAL_TOKEN_SECRET (https://modal.com/settings/tokens), or write ~/.modal.toml with `modal token new`.";

/** @param doing what failed, for the message: "make a sandbox". */
export function modalFailure(error: unknown, doing: string): LachesisError {
  if (error instanceof LachesisError) return error;
  const call = callFailure.safeParse(error).data;
  const what = call?.details ?? (error instanceof Error ? error.message : String(error));
  const message = `Modal could not ${doing}: ${what.trim() || "it did not say why"}.`;
  if (call?.code === status.unauthenticated || call?.code === status.permissionDenied) {
    return new LachesisError("SANDBOX_UNAVAILABLE", message, { cause: error, hint: credentialsHint });
  }
  if (isNotFound(error)) {
    return new LachesisError("SANDBOX_UNAVAILABLE", message, {
      cause: error,
      hint: "Correct the name in modal_secrets, modal_registry_secret_name or modal_image, or make it on Modal.",
    });
  }
  if (what.startsWith("Image build for")) {
    return new LachesisError("SANDBOX_UNAVAILABLE", message, {
      cause: error,
      hint: "Correct modal_image, or the item's image; a private one needs modal_registry_secret_name.",
    });
  }
  const isFull = call?.code === status.resourceExhausted || isNamed(error, "ResourceExhaustedError");
  return new LachesisError("SANDBOX_START_FAILED", message, {
    cause: error,
    retryable: true,
    ...(isFull
      ? { hint: "Modal has no room: run fewer rollouts at once, or raise the workspace's limits." }
      : {}),
  });
}

/** Whether what was asked for does not exist (any more). */
export function isNotFound(error: unknown): boolean {
  return callFailure.safeParse(error).data?.code === status.notFound || isNamed(error, "NotFoundError");
}

function isNamed(error: unknown, name: string): boolean {
  return error instanceof Error && error.name === name;
}
