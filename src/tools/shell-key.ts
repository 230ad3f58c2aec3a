/** The rollout's one shell session, for whichever tool asks. */
import type { ResourceKey } from "../contracts/rollout-context.ts";
import { ShellSession } from "./shell-session.ts";

export const shellKey: ResourceKey<ShellSession> = {
  name: "shell",
  create: async (context) => new ShellSession(await context.sandbox()),
};
