/**
 * Every stable error code with its one-line "how to solve". `docs/errors.md` lists the same table and a
 * test keeps the two equal. Keep the list sorted.
 */
export const errorCodes = {
  CONFIG_INVALID: "Correct the key that the message names; `environment <verb> <env> --help` lists all keys.",
  INTERNAL: "A defect of Lachesis: please report it with the message and the run directory's log.",
} as const satisfies Record<string, string>;

export type ErrorCode = keyof typeof errorCodes;
