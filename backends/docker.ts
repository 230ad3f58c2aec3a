/** Sandboxes that are Docker containers, each with our supervisor as its process 1. */
import { randomBytes } from "node:crypto";
import type Docker from "dockerode";
import PQueue from "p-queue";
import { LachesisError } from "../src/contracts/errors.ts";
import type { ImageRequest, Sandbox, SandboxBackend, SandboxRequest } from "../src/contracts/sandbox.ts";
import { untilAborted } from "../src/contracts/until-aborted.ts";
import type { BackendContext, OnNotice } from "./backend-context.ts";
import { containerOptions, imageOf, workspaceOf } from "./docker/container-options.ts";
import { callTimeoutMs, createDockerClient, daemonUnavailable, messageOf } from "./docker/docker-client.ts";
import type { DockerConfig } from "./docker/docker-config.ts";
import { ImageBuilder } from "./docker/image-builder.ts";
import { ImagePuller, imageUnavailable, isImageMissing } from "./docker/image-puller.ts";
import { removeLeftovers } from "./docker/leftovers.ts";
import { startContainer } from "./docker/start-container.ts";
import { ForkableSandbox } from "./fork-by-copy.ts";
import { ownerMark } from "./owner-mark.ts";
import { requireSupported } from "./require-supported.ts";
import type { SupervisedSandbox } from "./supervisor/supervised-sandbox.ts";

export { type DockerConfig, dockerConfig } from "./docker/docker-config.ts";

/** The daemon starts no more containers a second when it is asked for more at once. */
const startsAtOnce = 8;

/** Disposing of it disposes of every sandbox that is still there. */
export class DockerBackend implements SandboxBackend {
  readonly name = "docker";
  readonly seesEnds: boolean;
  readonly #config: DockerConfig;
  readonly #docker: Docker;
  readonly #onNotice: OnNotice;
  readonly #puller: ImagePuller;
  readonly #builder: ImageBuilder;
  readonly #starts = new PQueue({ concurrency: startsAtOnce });
  readonly #closing = new AbortController();
  readonly #creations = new Set<Promise<unknown>>();
  readonly #sandboxes = new Set<SupervisedSandbox>();
  #opened: Promise<string> | undefined;

  /** Throws CONFIG_INVALID for an address that is none; connects to nothing yet. */
  constructor(config: DockerConfig, { onNotice = () => {} }: BackendContext = {}) {
    this.#config = config;
    this.seesEnds = config.host === undefined || config.host.startsWith("unix:");
    this.#docker = createDockerClient(config);
    this.#onNotice = onNotice;
    this.#puller = new ImagePuller(this.#docker, onNotice);
    this.#builder = new ImageBuilder(this.#docker, onNotice);
  }

  /** Makes a sandbox and runs a command in it; rejects with SANDBOX_UNAVAILABLE or SANDBOX_IMAGE_UNAVAILABLE. */
  async check({ signal }: { signal: AbortSignal }): Promise<void> {
    await using sandbox = await this.create({ rolloutId: "check", signal });
    await sandbox.exec({ argv: ["true"] }, { timeoutMs: 20_000, signal });
  }

  /** Rejects with SANDBOX_UNAVAILABLE, or with SANDBOX_IMAGE_UNAVAILABLE and what the build said last. */
  async buildImage({ directory, signal }: ImageRequest): Promise<string> {
    await this.#open();
    return this.#builder.build(directory, AbortSignal.any([this.#closing.signal, signal]));
  }

  async create(request: SandboxRequest): Promise<Sandbox> {
    requireSupported(this.name, request.spec, ["image", "workspace", "cpus", "memoryMb", "network"]);
    const signal = AbortSignal.any([this.#closing.signal, request.signal]);
    signal.throwIfAborted();
    const creation = this.#create({ ...request, signal });
    this.#creations.add(creation);
    try {
      const sandbox = await creation;
      return new ForkableSandbox(sandbox, (options) => this.create({ ...request, ...options }));
    } finally {
      this.#creations.delete(creation);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort(new LachesisError("SANDBOX_CLOSED", "The sandbox backend has been closed."));
    await Promise.allSettled([...this.#creations, this.#opened]);
    await Promise.all([...this.#sandboxes].map((sandbox) => sandbox[Symbol.asyncDispose]()));
  }

  async #create({ rolloutId, signal, spec }: SandboxRequest): Promise<SupervisedSandbox> {
    const owner = await this.#open();
    signal.throwIfAborted();
    const id = `${rolloutId}-${randomBytes(3).toString("hex")}`;
    const start = () =>
      startContainer({
        docker: this.#docker,
        container: containerOptions({ config: this.#config, spec, owner, id }),
        id,
        workspace: workspaceOf(spec),
        signal,
        onLeft: (containerId) =>
          this.#onNotice({ level: "warn", message: `Docker did not remove the container ${containerId}.` }),
      });
    const image = imageOf(this.#config, spec);
    const sandbox = await this.#starts.add(start).catch(async (error: unknown) => {
      if (!isImageMissing(error)) throw error;
      if (this.#config.pull === "never") throw imageUnavailable(image, "the daemon does not have it", error);
      await this.#puller.pull(image, signal);
      return this.#starts.add(start);
    });
    this.#sandboxes.add(sandbox);
    void sandbox.closed.then(() => this.#sandboxes.delete(sandbox));
    if (spec?.workspace !== undefined) await requireDirectory(sandbox, image, spec.workspace, signal);
    return sandbox;
  }

  /** Reaches the daemon and clears up, once and for all creations; settles with this process' mark. */
  #open(): Promise<string> {
    this.#opened ??= this.#prepare(this.#closing.signal).catch((error: unknown) => {
      this.#opened = undefined;
      throw error;
    });
    return this.#opened;
  }

  async #prepare(signal: AbortSignal): Promise<string> {
    try {
      await untilAborted(this.#docker.ping(), AbortSignal.any([signal, AbortSignal.timeout(callTimeoutMs)]));
    } catch (error) {
      signal.throwIfAborted();
      throw (
        daemonUnavailable(error) ??
        new LachesisError("SANDBOX_UNAVAILABLE", `The Docker daemon does not answer: ${messageOf(error)}.`, {
          hint: "Look at it with `docker info`.",
          cause: error,
        })
      );
    }
    await this.#clearUp(signal);
    return ownerMark();
  }

  /** What can't be cleared up now keeps nobody from working. */
  async #clearUp(signal: AbortSignal): Promise<void> {
    try {
      const removed = await removeLeftovers(this.#docker, signal);
      if (removed === 0) return;
      const message = `Removed ${removed} Docker containers that a killed process had left.`;
      this.#onNotice({ level: "info", message });
    } catch (error) {
      signal.throwIfAborted();
      const message = `Could not remove what killed processes left in Docker: ${messageOf(error)}.`;
      this.#onNotice({ level: "warn", message });
    }
  }
}

/** An item that works in a directory of its image must find it there. */
async function requireDirectory(
  sandbox: SupervisedSandbox,
  image: string,
  directory: string,
  signal: AbortSignal,
): Promise<void> {
  try {
    const { exitCode } = await sandbox.exec(
      { argv: ["test", "-d", directory], cwd: "/" },
      { timeoutMs: 20_000, signal },
    );
    if (exitCode === 0) return;
    throw new LachesisError(
      "SANDBOX_SPEC_UNSUPPORTED",
      `An item asks to work in ${directory}, and its image ${image} has no such directory.`,
      { hint: "Correct the item's workspace or its image; without a workspace it gets a fresh one." },
    );
  } catch (error) {
    await sandbox[Symbol.asyncDispose]();
    throw error;
  }
}
