/**
 * Sandboxes on Modal, by its own SDK. Commands run by our supervisor, over the stdin and stdout of one exec: the
 * SDK's exec alone can neither kill what it started nor tell a killed command from a dead sandbox.
 */
import { randomUUID } from "node:crypto";
import type { Sandbox as RemoteSandbox } from "modal";
import { LachesisError } from "../src/contracts/errors.ts";
import type { Sandbox, SandboxBackend, SandboxRequest } from "../src/contracts/sandbox.ts";
import { untilAborted } from "../src/contracts/until-aborted.ts";
import type { BackendContext, OnNotice } from "./backend-context.ts";
import { ForkableSandbox } from "./fork-by-copy.ts";
import { ExecStream } from "./modal/exec-stream.ts";
import { endOf } from "./modal/last-words.ts";
import { ModalAccount } from "./modal/modal-account.ts";
import type { ModalConfig } from "./modal/modal-config.ts";
import { modalFailure } from "./modal/modal-failure.ts";
import { planSandbox, type SandboxPlan } from "./modal/sandbox-plan.ts";
import { abandon, familyTags, ownerTag, terminate, terminateLeftovers } from "./modal/terminate.ts";
import { ownerMark } from "./owner-mark.ts";
import { requireSupported } from "./require-supported.ts";
import { openStreamSandbox, streamSupervisorCommand } from "./supervisor/stream-supervisor.ts";
import type { SupervisedSandbox } from "./supervisor/supervised-sandbox.ts";

export { type ModalConfig, modalConfig } from "./modal/modal-config.ts";

const baseEnv = { LANG: "C.UTF-8", TERM: "dumb" };
/** Makes the workspace, or asks the image for it, and becomes the command that follows. */
const enterWorkspace = `if [ "$2" = image ] && [ ! -d "$1" ]; then echo "the image has no directory $1"; exit 66; fi
mkdir -p -- "$1" || { echo "cannot make $1"; exit 66; }
shift 2; exec "$@"`;

/** Disposing of it terminates every sandbox that is still there, and those that a cancelled create still brings. */
export class ModalBackend implements SandboxBackend {
  readonly name = "modal";
  readonly #config: ModalConfig;
  readonly #onNotice: OnNotice;
  readonly #closing = new AbortController();
  readonly #creations = new Set<Promise<unknown>>();
  readonly #endings = new Set<Promise<unknown>>();
  readonly #sandboxes = new Set<SupervisedSandbox>();
  #account: Promise<ModalAccount> | undefined;

  constructor(config: ModalConfig, { onNotice = () => {} }: BackendContext = {}) {
    this.#config = config;
    this.#onNotice = onNotice;
  }

  /** Makes a sandbox and runs a command in it; rejects with SANDBOX_UNAVAILABLE or SANDBOX_START_FAILED. */
  async check({ signal }: { signal: AbortSignal }): Promise<void> {
    await using sandbox = await this.create({ rolloutId: "check", signal });
    await sandbox.exec({ argv: ["true"] }, { timeoutMs: 60_000, signal });
  }

  async create(request: SandboxRequest): Promise<Sandbox> {
    const { rolloutId, signal, spec } = request;
    requireSupported(this.name, spec, ["image", "profile", "workspace", "cpus", "memoryMb", "network"]);
    const plan = planSandbox(this.#config, spec);
    const either = AbortSignal.any([this.#closing.signal, signal]);
    either.throwIfAborted();
    const creation = this.#create(plan, rolloutId, either);
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
    await Promise.allSettled(this.#creations);
    await Promise.all([...this.#sandboxes].map((sandbox) => sandbox[Symbol.asyncDispose]()));
    await Promise.all(this.#endings);
    (await this.#account?.catch(() => undefined))?.close();
  }

  async #create(plan: SandboxPlan, rolloutId: string, signal: AbortSignal): Promise<Sandbox> {
    const account = await untilAborted(this.#openAccount(), signal);
    const image = await untilAborted(account.image(plan.image, plan.registrySecretName), signal);
    const callTag = { "lachesis-call": randomUUID() };
    const tags = {
      ...familyTags,
      [ownerTag]: await ownerMark(),
      "lachesis-rollout": rolloutId.replace(/[^\w.-]/g, "-").slice(0, 63),
      ...callTag,
    };
    const mayQueue = plan.parameters.gpu !== undefined;
    const creating = account.createSandbox(plan, image, tags);
    const remote = await untilAborted(creating, signal).catch((error: unknown) => {
      if (signal.aborted) this.#endInBackground(abandon(account, creating, { tags: callTag, mayQueue }));
      throw error;
    });
    const sandbox = await this.#superviseIn(remote, plan, signal);
    this.#sandboxes.add(sandbox);
    void sandbox.closed.then(() => this.#sandboxes.delete(sandbox));
    return sandbox;
  }

  async #superviseIn(
    remote: RemoteSandbox,
    plan: SandboxPlan,
    signal: AbortSignal,
  ): Promise<SupervisedSandbox> {
    const { workspace, isImageWorkspace } = plan;
    const workspaceKind = isImageWorkspace ? "image" : "fresh";
    const command = [
      "sh",
      "-c",
      enterWorkspace,
      "sh",
      workspace,
      workspaceKind,
      ...streamSupervisorCommand(),
    ];
    const starting = remote.exec(command, { mode: "binary" });
    const process = await untilAborted(starting, signal).catch((error: unknown) => {
      this.#endInBackground(terminate(remote));
      signal.throwIfAborted();
      throw modalFailure(error, `start a command in the sandbox ${remote.sandboxId}`);
    });
    const stream = new ExecStream(process);
    return openStreamSandbox({
      id: remote.sandboxId,
      workspace,
      baseEnv: { HOME: workspace, ...baseEnv },
      stream,
      ended: endOf(remote, process, stream),
      demolish: () => terminate(remote),
      signal,
    });
  }

  /** Opened once, by whoever comes first, and for all; then what dead processes of ours left is terminated. */
  #openAccount(): Promise<ModalAccount> {
    this.#account ??= ModalAccount.open(this.#config, this.#onNotice).then(
      (account) => {
        this.#endInBackground(this.#cleanUp(account));
        return account;
      },
      (error: unknown) => {
        this.#account = undefined;
        throw error;
      },
    );
    return this.#account;
  }

  async #cleanUp(account: ModalAccount): Promise<void> {
    const count = await terminateLeftovers(account, this.#closing.signal);
    if (count === 0) return;
    this.#onNotice({
      level: "info",
      message: `Terminated ${count} sandbox(es) on Modal that dead processes had left.`,
    });
  }

  /** What fails here costs money until the sandbox' own timeout, but no rollout. */
  #endInBackground(work: Promise<unknown>): void {
    const ending = work.catch(() => {}).finally(() => this.#endings.delete(ending));
    this.#endings.add(ending);
  }
}
