/** Ending sandboxes on Modal: ours, and those of processes of ours that died. */
import type { Sandbox } from "modal";
import { ownerState } from "../owner-mark.ts";
import type { ModalAccount } from "./modal-account.ts";
import { isNotFound } from "./modal-failure.ts";

export const ownerTag = "lachesis-owner";
/** What every sandbox of ours is found by, whoever made it. */
export const familyTags: Readonly<Record<string, string>> = { lachesis: "sandbox" };

const attempts = 3;
const patienceMs = 30_000;
const lookupsAtOnce = 8;

/** Settles when the sandbox has ended, or when Modal can't be reached: its own timeout ends it then. Never rejects. */
export async function terminate(sandbox: Sandbox): Promise<void> {
  for (let attempt = 1; attempt <= attempts; attempt += 1) {
    const { promise: lostPatience, resolve: losePatience } = Promise.withResolvers<"late">();
    const timer = setTimeout(() => losePatience("late"), patienceMs);
    try {
      await Promise.race([sandbox.terminate({ wait: true }), lostPatience]);
      break;
    } catch (error) {
      if (isNotFound(error)) break;
      await new Promise((resolve) => setTimeout(resolve, attempt * 1_000));
    } finally {
      clearTimeout(timer);
    }
  }
  sandbox.detach();
}

/**
 * Ends a sandbox that is still being made and that nobody wants any more. Where it may be queued (GPUs, for many
 * minutes) Modal's SDK names it only afterwards, so it is looked for by its tags, too. Never rejects.
 */
export async function abandon(
  account: ModalAccount,
  creating: Promise<Sandbox>,
  { tags, mayQueue }: { tags: Record<string, string>; mayQueue: boolean },
): Promise<void> {
  const ended = creating.then(terminate, () => {});
  const { promise: lostPatience, resolve: losePatience } = Promise.withResolvers<void>();
  const timer = setTimeout(losePatience, patienceMs);
  if (mayQueue) await Promise.race([terminateTagged(account, tags).catch(() => {}), lostPatience]);
  await Promise.race([ended, lostPatience]);
  clearTimeout(timer);
}

async function terminateTagged(account: ModalAccount, tags: Record<string, string>): Promise<void> {
  for await (const sandbox of account.listSandboxes(tags)) await terminate(sandbox);
}

/** Terminates the App's sandboxes whose owner, a process of this machine, is dead; how many there were. */
export async function terminateLeftovers(account: ModalAccount, signal: AbortSignal): Promise<number> {
  let count = 0;
  const look = async (sandbox: Sandbox): Promise<void> => {
    const tags = await sandbox.getTags().catch(() => undefined);
    if (signal.aborted || (await ownerState(tags?.[ownerTag] ?? "")) !== "dead") return;
    await terminate(sandbox);
    count += 1;
  };
  const running = new Set<Promise<void>>();
  for await (const sandbox of account.listSandboxes(familyTags)) {
    if (signal.aborted) break;
    const looking = look(sandbox).finally(() => running.delete(looking));
    running.add(looking);
    if (running.size >= lookupsAtOnce) await Promise.race(running);
  }
  await Promise.all(running);
  return count;
}
