/** Takes a container down for good, whatever state it is in. */
import { setTimeout as sleep } from "node:timers/promises";
import type Docker from "dockerode";
import { callTimeoutMs, statusOf } from "./docker-client.ts";

const attempts = 60;
const pauseMs = 500;

/**
 * Settles with true when nothing is left of it; with false when the daemon would not (the next process removes it).
 * Never rejects.
 */
export async function removeContainer(container: Docker.Container): Promise<boolean> {
  for (let attempt = 0; attempt < attempts; attempt += 1) {
    try {
      await container.remove({ force: true, v: true, abortSignal: AbortSignal.timeout(callTimeoutMs) });
      return true;
    } catch (error) {
      const status = statusOf(error);
      if (status === 404) return true;
      // 409: somebody removes it already; 500: it is just starting or stopping. No answer: there is no daemon.
      if (status === undefined) return false;
    }
    await sleep(pauseMs);
  }
  return false;
}
