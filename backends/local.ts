/** Sandboxes on this machine: bubblewrap, or on explicit demand plain processes. */
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { promisify } from "node:util";
import { LachesisError } from "../src/contracts/errors.ts";
import type { Sandbox, SandboxBackend, SandboxRequest } from "../src/contracts/sandbox.ts";
import { ForkableSandbox } from "./fork-by-copy.ts";
import { BubblewrapLauncher } from "./local/bubblewrap-launcher.ts";
import type { LocalConfig } from "./local/local-config.ts";
import { PlainLauncher } from "./local/plain-launcher.ts";
import { findPython } from "./local/python-runtime.ts";
import type { SandboxLauncher } from "./local/sandbox-launcher.ts";
import { requireSupported } from "./require-supported.ts";
import type { SupervisedSandbox } from "./supervisor/supervised-sandbox.ts";
import { isSupervisable } from "./supervisor/supervisor-command.ts";

export { type LocalConfig, localConfig } from "./local/local-config.ts";

/** Disposing of it disposes of every sandbox that is still there. */
export class LocalBackend implements SandboxBackend {
  readonly name = "local";
  readonly seesEnds = true;
  readonly #config: LocalConfig;
  readonly #closing = new AbortController();
  readonly #creations = new Set<Promise<unknown>>();
  readonly #sandboxes = new Set<SupervisedSandbox>();
  #launcher: Promise<SandboxLauncher> | undefined;

  constructor(config: LocalConfig) {
    this.#config = config;
  }

  /** Makes a sandbox and runs a command in it; rejects with SANDBOX_UNAVAILABLE. */
  async check({ signal }: { signal: AbortSignal }): Promise<void> {
    await using sandbox = await this.create({ rolloutId: "check", signal });
    await sandbox.exec({ argv: ["true"] }, { timeoutMs: 20_000, signal });
  }

  async create({ rolloutId, signal, spec }: SandboxRequest): Promise<Sandbox> {
    requireSupported(this.name, spec, []);
    const sandbox = await this.#track(rolloutId, signal);
    return new ForkableSandbox(sandbox, (options) => this.create({ rolloutId, ...options }));
  }

  async #track(rolloutId: string, signal: AbortSignal): Promise<Sandbox> {
    const either = AbortSignal.any([this.#closing.signal, signal]);
    either.throwIfAborted();
    const creation = this.#create(`${rolloutId}-${randomBytes(3).toString("hex")}`, either);
    this.#creations.add(creation);
    try {
      return await creation;
    } finally {
      this.#creations.delete(creation);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort(new LachesisError("SANDBOX_CLOSED", "The sandbox backend has been closed."));
    await Promise.allSettled(this.#creations);
    await Promise.all([...this.#sandboxes].map((sandbox) => sandbox[Symbol.asyncDispose]()));
    const launcher = await this.#launcher?.catch(() => undefined);
    await launcher?.[Symbol.asyncDispose]();
  }

  async #create(id: string, signal: AbortSignal): Promise<Sandbox> {
    const launcher = await this.#openLauncher();
    const sandbox = await launcher.launch(id, signal);
    this.#sandboxes.add(sandbox);
    void sandbox.closed.then(() => this.#sandboxes.delete(sandbox));
    return sandbox;
  }

  /** Opened once, by whoever comes first, and for all: no single rollout's signal may end it. */
  #openLauncher(): Promise<SandboxLauncher> {
    this.#launcher ??= openLauncher(this.#config, this.#closing.signal).catch((error: unknown) => {
      this.#launcher = undefined;
      throw error;
    });
    return this.#launcher;
  }
}

async function openLauncher(config: LocalConfig, signal: AbortSignal): Promise<SandboxLauncher> {
  if (!isSupervisable(process.platform, process.arch)) {
    throw new LachesisError(
      "SANDBOX_UNAVAILABLE",
      `The local backend needs Linux on x64 or arm64; this is ${process.platform} on ${process.arch}.`,
      { hint: "Run Lachesis on such a machine, or in a container." },
    );
  }
  await requirePerl(signal);
  const python = await findPython(config.python_path, { signal });
  return config.isolation === "none"
    ? new PlainLauncher(config, python)
    : BubblewrapLauncher.open(config, python, signal);
}

async function requirePerl(signal: AbortSignal): Promise<void> {
  try {
    await promisify(execFile)("perl", ["-e", "1"], { signal });
  } catch (error) {
    signal.throwIfAborted();
    throw new LachesisError(
      "SANDBOX_UNAVAILABLE",
      "Sandboxes need Perl 5 for their supervisor, and `perl` cannot be run.",
      { hint: "Install it: `apt-get install perl-base`.", cause: error },
    );
  }
}
