/**
 * Containers whose maker is gone. A killed process closes no sandbox: its containers stop by themselves (nobody
 * holds their stdin any more), and whoever uses the daemon next removes them.
 */
import type Docker from "dockerode";
import PQueue from "p-queue";
import { ownerState } from "../owner-mark.ts";
import { ownerLabel } from "./container-options.ts";
import { removeContainer } from "./remove-container.ts";

const removalsAtOnce = 4;
/** The owner removes a stopped container at once; one that has lain there for so long has lost its owner. */
const abandonedMs = 300_000;

/** Removes what dead processes left and tells how many containers that were. */
export async function removeLeftovers(docker: Docker, signal: AbortSignal): Promise<number> {
  const containers = await docker.listContainers({
    all: true,
    filters: { label: [ownerLabel] },
    abortSignal: signal,
  });
  const queue = new PQueue({ concurrency: removalsAtOnce });
  const removals = await Promise.all(
    containers.map((container) =>
      queue.add(async () => {
        signal.throwIfAborted();
        const state = await ownerState(container.Labels[ownerLabel] ?? "");
        const isLeft =
          state === "dead" || (state === "elsewhere" && (await isAbandoned(docker, container.Id)));
        return isLeft && (await removeContainer(docker.getContainer(container.Id)));
      }),
    ),
  );
  return removals.filter(Boolean).length;
}

/** Whether it stopped long ago: how one from another machine or container shows that nobody misses it. */
async function isAbandoned(docker: Docker, id: string): Promise<boolean> {
  try {
    const { State } = await docker.getContainer(id).inspect();
    const finishedAt = Date.parse(State.FinishedAt);
    return State.Status === "exited" && Date.now() - finishedAt > abandonedMs;
  } catch {
    return false;
  }
}
