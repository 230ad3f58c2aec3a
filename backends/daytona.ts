/** Sandboxes of Daytona, each with our supervisor behind one of its terminals. */
import { randomBytes } from "node:crypto";
import { LachesisError } from "../src/contracts/errors.ts";
import type { Sandbox, SandboxBackend, SandboxRequest, SandboxSpec } from "../src/contracts/sandbox.ts";
import { untilAborted } from "../src/contracts/until-aborted.ts";
import type { BackendContext, OnNotice } from "./backend-context.ts";
import type { DaytonaConfig } from "./daytona/daytona-config.ts";
import {
  type DaytonaClient,
  type DaytonaSandbox,
  importInstalled,
  loadDaytona,
  type PackageImporter,
} from "./daytona/daytona-sdk.ts";
import { openTerminal } from "./daytona/open-terminal.ts";
import { ForkableSandbox } from "./fork-by-copy.ts";
import { OpenSandboxes } from "./open-sandboxes.ts";
import { ownerMark, ownerState } from "./owner-mark.ts";
import { requireSupported } from "./require-supported.ts";
import { startFailed } from "./supervisor/open-supervised-sandbox.ts";
import type { SupervisedSandbox } from "./supervisor/supervised-sandbox.ts";

export { type DaytonaConfig, daytonaConfig } from "./daytona/daytona-config.ts";

const ownerLabel = "lachesis-owner";
const kindLabel = { lachesis: "sandbox" };
const sandboxLabel = "lachesis-sandbox";
const mibPerGib = 1_024;
const deleteTimeoutSeconds = 60;
const deleteTries = 3;

/** Disposing of it disposes of every sandbox that is still there. */
export class DaytonaBackend implements SandboxBackend {
  readonly name = "daytona";
  readonly #config: DaytonaConfig;
  readonly #onNotice: OnNotice;
  readonly #importPackage: PackageImporter;
  readonly #sandboxes = new OpenSandboxes();
  /** Deletions of sandboxes whose creation was cancelled while Daytona was still at it. */
  readonly #deletions = new Set<Promise<unknown>>();
  #client: Promise<DaytonaClient> | undefined;

  /** Throws CONFIG_INVALID without an API key; `importPackage` finds Daytona's SDK. */
  constructor(
    config: DaytonaConfig,
    { onNotice = () => {} }: BackendContext = {},
    importPackage: PackageImporter = importInstalled,
  ) {
    this.#config = config;
    this.#onNotice = onNotice;
    this.#importPackage = importPackage;
  }

  /** Makes a sandbox and runs a command in it; rejects with SANDBOX_UNAVAILABLE or SANDBOX_START_FAILED. */
  async check({ signal }: { signal: AbortSignal }): Promise<void> {
    await using sandbox = await this.create({ rolloutId: "check", signal });
    await sandbox.exec({ argv: ["true"] }, { timeoutMs: 20_000, signal });
  }

  async create(request: SandboxRequest): Promise<Sandbox> {
    const isImage = this.#config.snapshot === undefined || request.spec?.image !== undefined;
    const ofImage = isImage ? (["cpus", "memoryMb"] as const) : [];
    requireSupported(this.name, request.spec, ["image", ...ofImage, "workspace", "network"]);
    const launch = (signal: AbortSignal) => this.#launch({ ...request, signal });
    const sandbox = await this.#sandboxes.create(launch, request.signal);
    return new ForkableSandbox(sandbox, (options) => this.create({ ...request, ...options }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#sandboxes[Symbol.asyncDispose]();
    await Promise.allSettled(this.#deletions);
    const client = await this.#client?.catch(() => undefined);
    await client?.[Symbol.asyncDispose]();
  }

  async #launch({ rolloutId, signal, spec }: SandboxRequest): Promise<SupervisedSandbox> {
    const id = `${rolloutId}-${randomBytes(3).toString("hex")}`;
    const client = await untilAborted(this.#openClient(), signal);
    const creation = this.#createRemote(client, id, spec);
    let remote: DaytonaSandbox;
    try {
      remote = await untilAborted(creation, signal);
    } catch (error) {
      this.#keepUntilDone(creation.then((late) => this.#delete(late)));
      throw error;
    }
    return openTerminal({
      id,
      remote,
      spec,
      activityMs: (this.#config.auto_stop_minutes * 60_000) / 3,
      demolish: () => this.#delete(remote),
      signal,
    });
  }

  async #createRemote(
    client: DaytonaClient,
    id: string,
    spec: SandboxSpec | undefined,
  ): Promise<DaytonaSandbox> {
    const { snapshot, image, cpu, memory_mb, disk_gib, network, auto_stop_minutes } = this.#config;
    const memory = Math.ceil((spec?.memoryMb ?? memory_mb) / mibPerGib);
    const resources = { cpu: Math.ceil(spec?.cpus ?? cpu), memory, disk: disk_gib };
    const source =
      snapshot !== undefined && spec?.image === undefined
        ? { snapshot }
        : { image: spec?.image ?? image, resources };
    try {
      return await client.create(
        {
          ...source,
          labels: { ...kindLabel, [ownerLabel]: await ownerMark(), [sandboxLabel]: id },
          autoStopInterval: auto_stop_minutes,
          ephemeral: true,
          networkBlockAll: !(spec?.network ?? network),
        },
        { timeout: this.#config.start_timeout_seconds },
      );
    } catch (error) {
      const refused = refusal(error);
      if (refused !== undefined) throw refused;
      await this.#deleteFailed(client, id);
      throw imageFailure(error, id) ?? startFailed(id, messageOf(error), error);
    }
  }

  /** A creation that failed may have left a sandbox that never started; never rejects. */
  async #deleteFailed(client: DaytonaClient, id: string): Promise<void> {
    try {
      for await (const failed of client.list({ labels: { [sandboxLabel]: id } })) await this.#delete(failed);
    } catch (error) {
      const message = `Could not ask Daytona what is left of the sandbox ${id}: ${messageOf(error)}.`;
      this.#onNotice({ level: "warn", message });
    }
  }

  /** Never rejects: what cannot be deleted now is deleted by Daytona when it has heard nothing for a while. */
  async #delete(remote: DaytonaSandbox): Promise<void> {
    for (let tryNumber = 1; tryNumber <= deleteTries; tryNumber += 1) {
      try {
        await remote.delete(deleteTimeoutSeconds, true);
        return;
      } catch (error) {
        if (statusOf(error) === 404) return;
        if (tryNumber < deleteTries) continue;
        const message = `Daytona did not delete the sandbox ${remote.id}: ${messageOf(error)}.`;
        this.#onNotice({ level: "warn", message });
      }
    }
  }

  #keepUntilDone(work: Promise<unknown>): void {
    const done = work.catch(() => {}).finally(() => this.#deletions.delete(done));
    this.#deletions.add(done);
  }

  /** Opened once, by whoever comes first, and for all: no single rollout's signal may end it. */
  #openClient(): Promise<DaytonaClient> {
    this.#client ??= this.#open().catch((error: unknown) => {
      this.#client = undefined;
      throw error;
    });
    return this.#client;
  }

  async #open(): Promise<DaytonaClient> {
    const { api_key: apiKey, api_url: apiUrl, target } = this.#config;
    if (apiKey === undefined) {
      throw new LachesisError("SANDBOX_UNAVAILABLE", "The backend daytona has no API key.", {
        hint: "Set DAYTONA_API_KEY, or `daytona_api_key` in the configuration.",
      });
    }
    const Daytona = await loadDaytona(this.#importPackage);
    const options = target === undefined ? { apiKey, apiUrl } : { apiKey, apiUrl, target };
    const client = new Daytona({ ...options, useDeprecatedPolling: true });
    await this.#clearUp(client);
    return client;
  }

  async #clearUp(client: DaytonaClient): Promise<void> {
    let removed = 0;
    try {
      for await (const remote of client.list({ labels: kindLabel })) {
        const owner = remote.labels[ownerLabel];
        if (owner === undefined || (await ownerState(owner)) !== "dead") continue;
        await this.#delete(remote);
        removed += 1;
      }
    } catch (error) {
      throw (
        refusal(error) ??
        new LachesisError(
          "SANDBOX_UNAVAILABLE",
          `Daytona at ${this.#config.api_url} does not answer: ${messageOf(error)}.`,
          { hint: "Correct `--env.daytona_api_url`, or try again later.", cause: error, retryable: true },
        )
      );
    }
    if (removed === 0) return;
    const message = `Deleted ${removed} Daytona sandboxes that a killed process had left.`;
    this.#onNotice({ level: "info", message });
  }
}

/** Daytona's refusal of who we are. */
function refusal(error: unknown): LachesisError | undefined {
  const status = statusOf(error);
  if (status !== 401 && status !== 403) return undefined;
  return new LachesisError(
    "SANDBOX_UNAVAILABLE",
    `Daytona refused the API key (${status}): ${messageOf(error)}.`,
    {
      hint: "Give a key that may write and delete sandboxes: DAYTONA_API_KEY or `daytona_api_key`.",
      cause: error,
    },
  );
}

function imageFailure(error: unknown, id: string): LachesisError | undefined {
  if (!/build_failed/.test(messageOf(error))) return undefined;
  return new LachesisError(
    "SANDBOX_IMAGE_UNAVAILABLE",
    `Daytona could not build the image of sandbox ${id}: ${messageOf(error)}.`,
    { hint: "Correct `--env.daytona_image` or the item's image.", cause: error },
  );
}

function statusOf(error: unknown): number | undefined {
  if (!(error instanceof Error) || !("statusCode" in error)) return undefined;
  return typeof error.statusCode === "number" ? error.statusCode : undefined;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
