/** The `timeout` parameter that tools share. */
import { z } from "zod";
import type { RolloutContext } from "../contracts/rollout-context.ts";

const longestSeconds = 600;

export const timeoutParameter = z
  .int()
  .min(1)
  .max(longestSeconds)
  .optional()
  .describe(`Seconds before the call is stopped, at most ${longestSeconds}. Leave out for the default.`);

/** What the model asked for, or the rollout's default; milliseconds. */
export function timeoutMs(seconds: number | undefined, context: RolloutContext): number {
  return seconds === undefined ? context.limits.toolTimeoutMs : seconds * 1000;
}

/** A duration as people say it, e.g. "1.5 s". */
export function inSeconds(milliseconds: number): string {
  return `${Number((milliseconds / 1000).toFixed(3))} s`;
}
