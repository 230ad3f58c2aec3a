import { LachesisError } from "../contracts/errors.ts";

/** Why a dataset file could not be opened: DATASET_NOT_FOUND, or DATASET_INVALID with the system's reason. */
export function datasetFileError(path: string, cause: unknown): LachesisError {
  if (cause instanceof LachesisError) return cause;
  if (cause instanceof Error && "code" in cause && (cause.code === "ENOENT" || cause.code === "ENOTDIR")) {
    return new LachesisError("DATASET_NOT_FOUND", `Dataset ${path}: there is no such file.`, {
      hint: "Correct the path; a relative one starts at the working directory.",
      cause,
    });
  }
  if (cause instanceof Error && "code" in cause && cause.code === "EISDIR") {
    return new LachesisError("DATASET_INVALID", `Dataset ${path}: a directory, not a file.`, {
      hint: "Name a file in it.",
      cause,
    });
  }
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new LachesisError("DATASET_INVALID", `Dataset ${path} can't be read: ${reason}`, { cause });
}
