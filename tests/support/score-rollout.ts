/** Scores what a model might have left: its files, its background processes and its last words. */
import { createReward, type RewardSpec } from "../../rewards/create-reward.ts";
import type { RewardItem, RewardResult } from "../../rewards/reward.ts";
import type { SandboxBackend } from "../../src/contracts/sandbox.ts";
import { ToolContext } from "../../src/tools/tool-context.ts";
import { rolloutContext } from "./rollout-context.ts";

export type LeftBehind = {
  answer?: string;
  files?: Readonly<Record<string, string>>;
  /** A shell command of the model's last turn. */
  command?: string;
};

/** One rollout on a sandbox of its own, which is gone afterwards. */
export async function scoreRollout(
  backend: SandboxBackend,
  reward: RewardSpec,
  item: RewardItem,
  { answer = "Done.", files = {}, command }: LeftBehind,
): Promise<RewardResult> {
  await using context = rolloutContext(backend);
  const toolContext = new ToolContext({ context, tools: [] });
  for (const [path, content] of Object.entries(files)) await toolContext.writeFile(path, content);
  if (command !== undefined) await toolContext.terminal(command);
  const messages = [
    { role: "user" as const, content: "Go." },
    { role: "assistant" as const, content: answer },
  ];
  const rollout = { messages, stop: "finished" as const, turnsUsed: 1 };
  return await createReward(reward)({ rollout, item, toolContext, signal: context.signal });
}

/** An answer whose program is this. */
export const fenced = (source: string): string => `Here it is.\n\n\`\`\`python\n${source}\n\`\`\`\n`;
