/** Sandboxes as Apptainer (or Singularity) containers, for clusters that have no other kind. */
import { randomBytes } from "node:crypto";
import type { Sandbox, SandboxBackend, SandboxRequest, SandboxSpec } from "../src/contracts/sandbox.ts";
import { untilAborted } from "../src/contracts/until-aborted.ts";
import type { BackendContext, OnNotice } from "./backend-context.ts";
import { ForkableSandbox } from "./fork-by-copy.ts";
import { OpenSandboxes } from "./open-sandboxes.ts";
import { requireSupported } from "./require-supported.ts";
import { ContainerLauncher } from "./singularity/container-launcher.ts";
import { findProgram } from "./singularity/find-program.ts";
import { ImageCache } from "./singularity/image-cache.ts";
import type { SingularityConfig } from "./singularity/singularity-config.ts";
import type { SupervisedSandbox } from "./supervisor/supervised-sandbox.ts";

export { type SingularityConfig, singularityConfig } from "./singularity/singularity-config.ts";

type Site = { images: ImageCache; launcher: ContainerLauncher };

/** Disposing of it disposes of every sandbox that is still there, and stops conversions of images. */
export class SingularityBackend implements SandboxBackend {
  readonly name = "singularity";
  readonly #config: SingularityConfig;
  readonly #onNotice: OnNotice;
  readonly #open = new OpenSandboxes();
  #site: Promise<Site> | undefined;

  constructor(config: SingularityConfig, { onNotice = () => {} }: BackendContext = {}) {
    this.#config = config;
    this.#onNotice = onNotice;
  }

  /** Makes a sandbox of the configured image and runs a command in it. */
  async check({ signal }: { signal: AbortSignal }): Promise<void> {
    await using sandbox = await this.create({ rolloutId: "check", signal });
    await sandbox.exec({ argv: ["true"] }, { timeoutMs: 20_000, signal });
  }

  async create({ rolloutId, signal, spec }: SandboxRequest): Promise<Sandbox> {
    requireSupported(this.name, spec, ["image", "workspace", "network"]);
    const id = `${rolloutId}-${randomBytes(3).toString("hex")}`;
    const sandbox = await this.#open.create((either) => this.#launch(id, spec, either), signal);
    return new ForkableSandbox(sandbox, (options) =>
      this.create({ rolloutId, ...options, ...(spec === undefined ? {} : { spec }) }),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#open[Symbol.asyncDispose]();
    const site = await this.#site?.catch(() => undefined);
    await site?.images.settled();
  }

  async #launch(id: string, spec: SandboxSpec | undefined, signal: AbortSignal): Promise<SupervisedSandbox> {
    const { images, launcher } = await untilAborted(this.#openSite(), signal);
    const image = await images.open(spec?.image ?? this.#config.image, signal);
    return await launcher.launch(id, image, spec, signal);
  }

  /** Opened once, by whoever comes first, and for all: no single rollout's signal may end it. */
  #openSite(): Promise<Site> {
    this.#site ??= this.#enter().catch((error: unknown) => {
      this.#site = undefined;
      throw error;
    });
    return this.#site;
  }

  async #enter(): Promise<Site> {
    const { path, cache_dir, build_timeout } = this.#config;
    const closing = this.#open.closing;
    const program = await findProgram(path, closing);
    const launcher = new ContainerLauncher(this.#config, program);
    const left = await launcher.removeLeftovers();
    if (left > 0) {
      this.#onNotice({ level: "info", message: `Removed ${left} containers that earlier runs had left.` });
    }
    const images = new ImageCache({
      program,
      directory: cache_dir,
      timeoutMs: build_timeout * 1_000,
      onNotice: this.#onNotice,
      closing,
    });
    return { images, launcher };
  }
}
