/** What the model is told when it calls a tool that isn't there. */
import { nearestName } from "../contracts/closest-names.ts";
import { headOf } from "../tools/cap-text.ts";

/** Characters; servers take no longer ones. */
const longestName = 64;

/** Tools that hermes-agent offers in a chat and that no rollout can have. Why not, and what to do instead. */
const absentOnPurpose: Readonly<Record<string, string>> = {
  memory:
    "memory is not available in rollouts: each starts from nothing and leaves nothing behind. Keep notes in a file, or in the conversation.",
  session_search:
    "session_search is not available in rollouts: there are no earlier sessions to search. All you need is in this conversation and in the sandbox.",
  clarify:
    "clarify is not available in rollouts: there is nobody to ask. Decide by what the task says, and say what you assumed.",
};

/** Names the reason, or the tools that there are. */
export function absentToolMessage(name: string, available: Iterable<string>): string {
  const reason = Object.hasOwn(absentOnPurpose, name) ? absentOnPurpose[name] : undefined;
  const names = [...available].sort();
  const list = `Available tools: ${names.join(", ") || "(none)"}`;
  if (reason !== undefined) return `${reason} ${list}`;
  const wanted = headOf(name, longestName);
  const nearest = nearestName(wanted, names);
  const guess = nearest === undefined ? "" : ` Did you mean "${nearest}"?`;
  return `Unknown tool "${wanted}".${guess} ${list}`;
}
