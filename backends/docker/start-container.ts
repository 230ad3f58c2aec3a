/** From a container's description to a sandbox that answers. Calls that change something are never cut off halfway. */
import { Duplex } from "node:stream";
import type Docker from "dockerode";
import { LachesisError } from "../../src/contracts/errors.ts";
import { untilAborted } from "../../src/contracts/until-aborted.ts";
import { openStreamSandbox } from "../supervisor/stream-supervisor.ts";
import type { SupervisedSandbox } from "../supervisor/supervised-sandbox.ts";
import { AttachedStream } from "./attached-stream.ts";
import { baseEnvironment } from "./container-options.ts";
import { callTimeoutMs, daemonUnavailable, messageOf, statusOf } from "./docker-client.ts";
import { isImageMissing } from "./image-puller.ts";
import { removeContainer } from "./remove-container.ts";

export type StartContainerOptions = {
  docker: Docker;
  container: Docker.ContainerCreateOptions;
  id: string;
  workspace: string;
  signal: AbortSignal;
  /** Hears of containers that could not be removed. */
  onLeft: (containerId: string) => void;
};

/**
 * Rejects with SANDBOX_UNAVAILABLE (no daemon, no interpreter in the image), SANDBOX_START_FAILED, the signal's reason,
 * or the daemon's own error where the image is missing; it leaves no container behind.
 */
export async function startContainer(options: StartContainerOptions): Promise<SupervisedSandbox> {
  const { docker, id, workspace, signal, onLeft } = options;
  signal.throwIfAborted();
  const abortSignal = AbortSignal.timeout(callTimeoutMs);
  const container = await docker
    .createContainer({ ...options.container, abortSignal })
    .catch((error: unknown) => {
      throw isImageMissing(error) ? error : startFailure(id, error);
    });
  let isDemolished = false;
  const demolish = async () => {
    isDemolished = true;
    if (!(await removeContainer(container))) onLeft(container.id);
  };

  let attached: AttachedStream | undefined;
  try {
    signal.throwIfAborted();
    const channels = { stdin: true, stdout: true, stderr: true };
    const attaching = container.attach({ stream: true, hijack: true, ...channels });
    const connection = await untilAborted(attaching, abortSignal);
    if (!(connection instanceof Duplex)) throw new Error("the daemon gave no two-way connection");
    attached = new AttachedStream(connection);
    signal.throwIfAborted();
    await container.start({ abortSignal });
  } catch (error) {
    attached?.destroy();
    await demolish();
    signal.throwIfAborted();
    throw startFailure(id, error);
  }
  const stream = attached;

  const { promise: ended, resolve } = Promise.withResolvers<string>();
  const onEnd = () => {
    if (isDemolished) resolve("its removal");
    else void howItEnded(container).then(resolve);
  };
  stream.once("end", onEnd).once("close", onEnd);
  return openStreamSandbox({
    id,
    workspace,
    baseEnv: baseEnvironment(workspace),
    stream,
    ended,
    complaint: () => stream.complaint,
    demolish,
    signal,
  });
}

/** In words; settles when the container has stopped. Never rejects. */
async function howItEnded(container: Docker.Container): Promise<string> {
  try {
    const abortSignal = AbortSignal.timeout(callTimeoutMs);
    await container.wait({ condition: "not-running", abortSignal });
    const { State, HostConfig } = await container.inspect({ abortSignal });
    const reason = State.OOMKilled
      ? ` for want of memory (limit ${Math.round((HostConfig.Memory ?? 0) / 1_048_576)} MiB)`
      : "";
    return `exit code ${State.ExitCode}${reason}${State.Error ? ` (${State.Error})` : ""}`;
  } catch (error) {
    return `its container gone (${messageOf(error)})`;
  }
}

function startFailure(id: string, error: unknown): LachesisError {
  if (error instanceof LachesisError) return error;
  const message = messageOf(error);
  if (/exec: "sh"/.test(message)) {
    return new LachesisError("SANDBOX_UNAVAILABLE", `The image of sandbox ${id} has no shell: ${message}.`, {
      hint: "Use an image that has sh, tar, and perl or python3, e.g. debian:12-slim or python:3.12-slim.",
      cause: error,
    });
  }
  if (statusOf(error) === 400) {
    return new LachesisError("SANDBOX_UNAVAILABLE", `Docker makes no such container: ${message}.`, {
      hint: "Correct what the message names, among `--env.docker_*`, `--env.terminal_*` and what the item asks for.",
      cause: error,
    });
  }
  return (
    daemonUnavailable(error) ??
    new LachesisError("SANDBOX_START_FAILED", `The sandbox ${id} could not be started: ${message}.`, {
      cause: error,
      retryable: true,
    })
  );
}
