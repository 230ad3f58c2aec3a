/** Refuses what an item asks of its sandbox and a backend cannot give: silently playing elsewhere would score a lie. */
import { LachesisError } from "../src/contracts/errors.ts";
import type { SandboxSpec } from "../src/contracts/sandbox.ts";

/** Throws SANDBOX_SPEC_UNSUPPORTED where the spec has a key that is not among the supported ones. */
export function requireSupported(
  backend: string,
  spec: SandboxSpec | undefined,
  supported: readonly (keyof SandboxSpec)[],
): void {
  const known: readonly string[] = supported;
  const asked = Object.entries(spec ?? {}).filter(
    ([key, value]) => value !== undefined && !known.includes(key),
  );
  if (asked.length === 0) return;
  const what = asked.map(([key, value]) => `${key} ${JSON.stringify(value)}`).join(", ");
  throw new LachesisError(
    "SANDBOX_SPEC_UNSUPPORTED",
    `An item asks for a sandbox with ${what}, which the backend "${backend}" cannot give.`,
    {
      hint: `It can give: ${known.join(", ") || "nothing of its own"}. Choose another --env.terminal_backend.`,
    },
  );
}
