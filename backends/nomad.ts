/**
 * Sandboxes on a HashiCorp Nomad cluster: one allocation each, with our supervisor over Nomad's exec websocket.
 *
 * One allocation for one sandbox, as several in one would share users, processes, /tmp and memory: Nomad's drivers
 * draw their walls around allocations, and we have no better ones inside.
 */
import { randomBytes } from "node:crypto";
import { LachesisError } from "../src/contracts/errors.ts";
import type { Sandbox, SandboxBackend, SandboxRequest } from "../src/contracts/sandbox.ts";
import { untilAborted } from "../src/contracts/until-aborted.ts";
import type { BackendContext, OnNotice } from "./backend-context.ts";
import { ForkableSandbox } from "./fork-by-copy.ts";
import { AdoptedJob } from "./nomad/adopted-job.ts";
import type { AllocationSource, Place } from "./nomad/allocation-source.ts";
import { describeAllocation, isOver } from "./nomad/describe-failure.ts";
import { ExecSession } from "./nomad/exec-session.ts";
import { NomadApi } from "./nomad/nomad-api.ts";
import type { NomadConfig } from "./nomad/nomad-config.ts";
import { OwnJobs } from "./nomad/own-jobs.ts";
import { awaitOver } from "./nomad/release-allocation.ts";
import { requireWalls } from "./nomad/require-walls.ts";
import { OpenSandboxes } from "./open-sandboxes.ts";
import { ownerMark } from "./owner-mark.ts";
import { requireSupported } from "./require-supported.ts";
import { openStreamSandbox, streamSupervisorCommand } from "./supervisor/stream-supervisor.ts";
import type { SupervisedSandbox } from "./supervisor/supervised-sandbox.ts";

export { type NomadConfig, nomadConfig } from "./nomad/nomad-config.ts";

/** How long a lost session waits for the allocation's own word. */
const explanationMs = 1_500;
const exitCodeNoDirectory = 72;
/** Enters the workspace ($1; an item's own must be there, $2 = "keep") and becomes the supervisor. */
const enterScript = `if [ "$2" = keep ]; then [ -d "$1" ] || exit ${exitCodeNoDirectory}
else mkdir -p "$1" || exit 73; fi
cd "$1" || exit 73
shift 2
exec "$@"`;

/** Disposing of it disposes of every sandbox that is still there, and gives back what an adopted job was scaled up. */
export class NomadBackend implements SandboxBackend {
  readonly name = "nomad";
  readonly #config: NomadConfig;
  readonly #onNotice: OnNotice;
  readonly #api: NomadApi;
  readonly #sandboxes = new OpenSandboxes();
  #source: Promise<AllocationSource> | undefined;

  /** Throws CONFIG_INVALID for raw_exec without the network it cannot take away; connects to nothing yet. */
  constructor(config: NomadConfig, { onNotice = () => {} }: BackendContext = {}) {
    if (config.job === undefined) requireWalls(config.driver, config);
    this.#config = config;
    this.#onNotice = onNotice;
    this.#api = new NomadApi(config);
  }

  /** Makes a sandbox and runs a command in it; rejects with SANDBOX_UNAVAILABLE or SANDBOX_START_FAILED. */
  async check({ signal }: { signal: AbortSignal }): Promise<void> {
    await using sandbox = await this.create({ rolloutId: "check", signal });
    await sandbox.exec({ argv: ["true"] }, { timeoutMs: 20_000, signal });
  }

  async create(request: SandboxRequest): Promise<Sandbox> {
    const ofDocker = this.#config.driver === "docker" ? (["image"] as const) : [];
    const ofWalls = this.#config.driver === "raw_exec" ? [] : (["network"] as const);
    requireSupported(this.name, request.spec, [...ofDocker, ...ofWalls, "workspace", "cpus", "memoryMb"]);
    const launch = (signal: AbortSignal) => this.#launch({ ...request, signal });
    const sandbox = await this.#sandboxes.create(launch, request.signal);
    return new ForkableSandbox(sandbox, (options) => this.create({ ...request, ...options }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#sandboxes[Symbol.asyncDispose]();
    const source = await this.#source?.catch(() => undefined);
    await source?.close();
    await this.#api[Symbol.asyncDispose]();
  }

  async #launch({ rolloutId, signal, spec }: SandboxRequest): Promise<SupervisedSandbox> {
    const id = `${rolloutId}-${randomBytes(4).toString("hex")}`;
    const source = await untilAborted(this.#openSource(), signal);
    const place = await source.acquire({ sandboxId: id, spec, signal });

    const ownWorkspace = place.driver === "raw_exec" ? `/tmp/lachesis-${id}` : "/local/workspace";
    const workspace = spec?.workspace ?? ownWorkspace;
    const isFresh = spec?.workspace === undefined;
    const command = streamSupervisorCommand(isFresh ? { doomedDirectory: workspace } : {});
    const argv = ["sh", "-c", enterScript, "sh", workspace, isFresh ? "make" : "keep", ...command] as const;
    const target = { allocationId: place.allocation.ID, task: place.task };
    const session = new ExecSession(this.#api, target, argv);
    try {
      return await openStreamSandbox({
        id,
        workspace,
        baseEnv: { HOME: workspace, USER: "sandbox", LANG: "C.UTF-8", TERM: "dumb" },
        stream: session.stream,
        ended: session.ended.then(({ how }) => this.#explainEnd(place, how)),
        complaint: () => session.complaint,
        demolish: async () => {
          session.close();
          await place.release();
        },
        signal,
      });
    } catch (error) {
      if (isFresh || (await session.ended).exitCode !== exitCodeNoDirectory) throw error;
      throw new LachesisError(
        "SANDBOX_SPEC_UNSUPPORTED",
        `An item asks to work in ${workspace}, and its image ${spec.image ?? this.#config.image} has no such directory.`,
        { hint: "Correct the item's workspace or its image; without a workspace it gets a fresh one." },
      );
    }
  }

  /** A lost session says little: the allocation may know that it was killed, and by whom. */
  async #explainEnd({ allocation }: Place, how: string): Promise<string> {
    const now = await awaitOver(this.#api, allocation.ID, explanationMs);
    return now === undefined || (now.DesiredStatus === "run" && !isOver(now))
      ? how
      : `${how}; ${describeAllocation(now)}`;
  }

  /** Opened once, by whoever comes first, and for all: no single rollout's signal may end it. */
  #openSource(): Promise<AllocationSource> {
    this.#source ??= this.#open().catch((error: unknown) => {
      this.#source = undefined;
      throw error;
    });
    return this.#source;
  }

  async #open(): Promise<AllocationSource> {
    const owner = await ownerMark();
    const { job } = this.#config;
    if (job !== undefined) return new AdoptedJob(this.#api, { ...this.#config, job }, owner);
    const jobs = new OwnJobs(this.#api, this.#config, owner);
    const left = await jobs.purgeLeftovers(this.#sandboxes.closing);
    if (left > 0) {
      const message = `Purged ${left} Nomad jobs that a killed process had left.`;
      this.#onNotice({ level: "info", message });
    }
    return jobs;
  }
}
