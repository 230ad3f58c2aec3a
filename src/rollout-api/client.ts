/**
 * The rollout API from the outside: what trainers and environments call. It works with `run-api` and with a
 * Python Atropos server. Names and replies are the wire's (snake_case).
 *
 * A server that is down does not end a run: calls wait and ask again until they are answered or aborted.
 * What the server refuses (4xx) is a LachesisError ROLLOUT_API_REJECTED in the server's words.
 */
import { LachesisError } from "../contracts/errors.ts";
import type { ScoredGroup } from "../contracts/scored-group.ts";
import {
  type BatchReply,
  batchReply,
  disconnectReply,
  type EnvDescription,
  type EnvRegistration,
  type EnvStatus,
  envStatusReply,
  type LeasedBatch,
  type RunInfo,
  type RunStatus,
  registerEnvReply,
  registerReply,
  runInfoReply,
  runStatusReply,
  type SubmitReceipt,
  settleReply,
  submitReply,
  type TrainerRegistration,
  type WandbInfo,
  wandbInfoReply,
} from "./client-schemas.ts";
import { ClientTransport, pause, type TransportOptions } from "./client-transport.ts";

export type RolloutApiClientOptions = TransportOptions & {
  /** Time between two questions while waiting for a trainer, milliseconds. Default 1000. */
  pollIntervalMs?: number;
};

export type ClientCallOptions = {
  signal: AbortSignal;
  /** Tries before giving up. Default: until answered or aborted. */
  attempts?: number;
};

export type SubmitOptions = ClientCallOptions & { groupIds?: readonly string[] };

/** What is being waited for, told once a wait begins and again every half minute. */
const REMIND_MS = 30_000;

export class RolloutApiClient implements AsyncDisposable {
  readonly #transport: ClientTransport;
  readonly #options: RolloutApiClientOptions;

  constructor(options: RolloutApiClientOptions) {
    this.#options = options;
    this.#transport = new ClientTransport(options);
  }

  get url(): string {
    return this.#transport.url;
  }

  /** Trainer: opens the run. A second registration of a running server changes nothing. */
  async register(registration: TrainerRegistration, options: ClientCallOptions): Promise<void> {
    await this.#transport.call({
      method: "POST",
      path: "register",
      json: registration,
      reply: registerReply,
      ...options,
    });
  }

  /**
   * Trainer: leases the next batch for so many seconds; null = none is ready yet. It is the trainer's once
   * `settle` says so in time, and served again otherwise. A server that knows no leases (Atropos, `run-api
   * --compat`) hands it over for good: its `leaseId` is null then. Throws like `batch`.
   */
  async leaseBatch(leaseSeconds: number, options: ClientCallOptions): Promise<LeasedBatch | null> {
    const { batch, lease_id: leaseId = null } = await this.#takeBatch(`batch?lease=${leaseSeconds}`, options);
    return batch === null ? null : { batch, leaseId };
  }

  /**
   * Trainer: ends a lease. "taken" = the batch is safe here, "returned" = serve it again. Doing so twice is
   * fine; ROLLOUT_API_REJECTED = the lease ran out and the batch is served again.
   */
  async settle(leaseId: string, how: "taken" | "returned", options: ClientCallOptions): Promise<void> {
    await this.#transport.call({
      method: "POST",
      path: how === "taken" ? "batch/ack" : "batch/nack",
      json: { lease_id: leaseId },
      reply: settleReply,
      ...options,
    });
  }

  /**
   * Trainer: takes the next batch out of the server; null = none is ready yet. Throws
   * ROLLOUT_API_NOT_REGISTERED when the server knows no trainer (it was reset or restarted).
   */
  async batch(options: ClientCallOptions): Promise<ScoredGroup[] | null> {
    return (await this.#takeBatch("batch", options)).batch;
  }

  async #takeBatch(path: string, options: ClientCallOptions): Promise<BatchReply> {
    const reply = await this.#transport.call({ method: "GET", path, reply: batchReply, ...options });
    if (reply.status === "error") {
      throw new LachesisError(
        "ROLLOUT_API_NOT_REGISTERED",
        `GET ${this.url}batch: ${reply.message ?? "error"}`,
      );
    }
    return reply;
  }

  async status(options: ClientCallOptions): Promise<RunStatus> {
    return this.#transport.call({ method: "GET", path: "status", reply: runStatusReply, ...options });
  }

  /** Batch size and longest sequence; both -1 before a trainer registered. */
  async info(options: ClientCallOptions): Promise<RunInfo> {
    return this.#transport.call({ method: "GET", path: "info", reply: runInfoReply, ...options });
  }

  /** Environment: the trainer's names for the run; `project` is null before a trainer registered. */
  async wandbInfo(options: ClientCallOptions): Promise<{ group: string | null; project: string | null }> {
    return this.#transport.call({ method: "GET", path: "wandb_info", reply: wandbInfoReply, ...options });
  }

  /** Environment: waits until a trainer has registered. */
  async waitForTrainer(options: ClientCallOptions): Promise<WandbInfo> {
    return this.#poll("a trainer to register", options.signal, async () => {
      const { group, project } = await this.wandbInfo(options);
      return project === null ? null : { group, project };
    });
  }

  /** Environment: joins the run; waits while the trainer has not asked for its first batch. */
  async registerEnv(description: EnvDescription, options: ClientCallOptions): Promise<EnvRegistration> {
    return this.#poll("the trainer to ask for its first batch", options.signal, async () => {
      const reply = await this.#transport.call({
        method: "POST",
        path: "register-env",
        json: description,
        reply: registerEnvReply,
        ...options,
      });
      return "env_id" in reply ? reply : null;
    });
  }

  /** Environment: step, queue and own share. Throws ROLLOUT_API_REJECTED when the id is unknown. */
  async statusEnv(envId: number, options: ClientCallOptions): Promise<EnvStatus> {
    return this.#transport.call({
      method: "GET",
      path: "status-env",
      json: { env_id: envId },
      reply: envStatusReply,
      ...options,
    });
  }

  /**
   * Environment: hands over scored groups, all or none. Large bodies travel compressed; a server whose queue
   * is full is waited for. `groupIds` names the groups, in their order: under a name a group counts once,
   * however often it has to be sent.
   */
  async submitGroups(
    groups: readonly ScoredGroup[],
    { groupIds, ...options }: SubmitOptions,
  ): Promise<SubmitReceipt> {
    const named = groups.map((group, index) => {
      const groupId = groupIds?.[index];
      return groupId === undefined ? group : { ...group, group_id: groupId };
    });
    const [first] = named;
    if (first === undefined) return { groups: 0, buffered: 0 };
    const single = groups.length === 1;
    const reply = await this.#transport.call({
      method: "POST",
      path: single ? "scored_data" : "scored_data_list",
      json: single ? first : named,
      gzip: true,
      reply: submitReply,
      ...options,
    });
    return { groups: groups.length, buffered: reply.buffered ?? (reply.status === "buffered" ? 1 : 0) };
  }

  /** Environment: leaves the run, so that batches no longer wait for it. Three tries unless told otherwise. */
  async disconnectEnv(envId: number, options: ClientCallOptions): Promise<void> {
    const reply = await this.#transport.call({
      method: "POST",
      path: "disconnect-env",
      json: { env_id: envId },
      reply: disconnectReply,
      attempts: 3,
      ...options,
    });
    if (reply.status !== "success") {
      throw new LachesisError(
        "ROLLOUT_API_REJECTED",
        `POST ${this.url}disconnect-env: environment ${envId}: ${reply.error ?? reply.status}`,
      );
    }
  }

  /** Asks until there is an answer, and says what is being waited for. */
  async #poll<T>(awaited: string, signal: AbortSignal, ask: () => Promise<T | null>): Promise<T> {
    const { pollIntervalMs = 1000, logger } = this.#options;
    let remindAtMs = 0;
    for (;;) {
      const answer = await ask();
      if (answer !== null) return answer;
      if (Date.now() >= remindAtMs) {
        logger?.info({ event: "rollout-api-wait", url: this.url }, `waiting for ${awaited}`);
        remindAtMs = Date.now() + REMIND_MS;
      }
      await pause(pollIntervalMs, signal);
    }
  }

  /** Closes the connections; calls in flight fail. */
  async close(): Promise<void> {
    await this.#transport.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
