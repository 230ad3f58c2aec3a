/** Sandboxes on another machine, over SSH: bubblewrap there, or on explicit demand plain processes. */
import { randomBytes } from "node:crypto";
import type { Sandbox, SandboxBackend, SandboxRequest } from "../src/contracts/sandbox.ts";
import { untilAborted } from "../src/contracts/until-aborted.ts";
import type { BackendContext, OnNotice } from "./backend-context.ts";
import { ForkableSandbox } from "./fork-by-copy.ts";
import { OpenSandboxes } from "./open-sandboxes.ts";
import { requireSupported } from "./require-supported.ts";
import type { SshConfig } from "./ssh/ssh-config.ts";
import type { SshConnections } from "./ssh/ssh-connections.ts";
import { openConnections, type SshIsolation, SshSite } from "./ssh/ssh-site.ts";

export { type SshConfig, sshConfig } from "./ssh/ssh-config.ts";

/** Disposing of it disposes of every sandbox that is still there, and logs out. */
export class SshBackend implements SandboxBackend {
  readonly name = "ssh";
  readonly #config: SshConfig;
  readonly #onNotice: OnNotice;
  readonly #open = new OpenSandboxes();
  #connections: SshConnections | undefined;
  #site: Promise<SshSite> | undefined;

  constructor(config: SshConfig, { onNotice = () => {} }: BackendContext = {}) {
    this.#config = config;
    this.#onNotice = onNotice;
  }

  /** Logs in, makes a sandbox and runs a command in it. */
  async check({ signal }: { signal: AbortSignal }): Promise<void> {
    await using sandbox = await this.create({ rolloutId: "check", signal });
    await sandbox.exec({ argv: ["true"] }, { timeoutMs: 20_000, signal });
  }

  /** The walls that sandboxes get; logs in where nobody did yet. */
  async isolation({ signal }: { signal: AbortSignal }): Promise<SshIsolation> {
    return (await untilAborted(this.#openSite(), signal)).isolation;
  }

  async create({ rolloutId, signal, spec }: SandboxRequest): Promise<Sandbox> {
    requireSupported(this.name, spec, ["network"]);
    const id = `${rolloutId}-${randomBytes(3).toString("hex")}`;
    const sandbox = await this.#open.create(async (either) => {
      const site = await untilAborted(this.#openSite(), either);
      if (site.isolation === "directory") requireSupported(this.name, spec, []);
      return site.launch(id, spec, either);
    }, signal);
    return new ForkableSandbox(sandbox, (options) =>
      this.create({ rolloutId, ...options, ...(spec === undefined ? {} : { spec }) }),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#open[Symbol.asyncDispose]();
    await this.#site?.catch(() => {});
    await this.#connections?.[Symbol.asyncDispose]();
  }

  /** Opened once, by whoever comes first, and for all: no single rollout's signal may end it. */
  #openSite(): Promise<SshSite> {
    this.#open.closing.throwIfAborted();
    this.#site ??= this.#enter().catch((error: unknown) => {
      this.#site = undefined;
      throw error;
    });
    return this.#site;
  }

  async #enter(): Promise<SshSite> {
    this.#connections ??= openConnections(this.#config);
    return await SshSite.open(this.#connections, this.#config, {
      onNotice: this.#onNotice,
      signal: this.#open.closing,
    });
  }
}
