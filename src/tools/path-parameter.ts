/** The kind of path that tools take from the model. */
import { z } from "zod";

/** A path inside the sandbox, described as `what`. */
export function pathParameter(what: string) {
  return z
    .string()
    .min(1)
    .max(4096)
    .refine((path) => !path.includes("\0"), "A path can't hold NUL characters")
    .describe(`${what} Relative paths start at the workspace.`);
}
