/**
 * One job for each sandbox. So Nomad stops exactly the sandbox that is over (of a job with a count it chooses
 * which allocation goes), every item can have its own image and resources, and whose job it is stands in its name.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { LachesisError } from "../../src/contracts/errors.ts";
import type { SandboxSpec } from "../../src/contracts/sandbox.ts";
import { ownerState } from "../owner-mark.ts";
import { startFailed } from "../supervisor/open-supervised-sandbox.ts";
import type { AllocationSource, Place } from "./allocation-source.ts";
import { describeAllocation, describePlacement, isOver, mayPlaceLater } from "./describe-failure.ts";
import type { NomadApi } from "./nomad-api.ts";
import type { NomadConfig } from "./nomad-config.ts";
import { jobId, jobIdPrefix, ownerOf, ownTask, sandboxJob } from "./nomad-job.ts";
import { type Allocation, allocations, evaluation, jobStubs, registration } from "./nomad-schemas.ts";
import { awaitOver } from "./release-allocation.ts";

const watchSeconds = 30;
const evaluationPollMs = 100;
const purgeTries = 4;
const registrationTimeoutMs = 15_000;

export class OwnJobs implements AllocationSource {
  readonly #api: NomadApi;
  readonly #config: NomadConfig;
  readonly #owner: string;

  constructor(api: NomadApi, config: NomadConfig, owner: string) {
    this.#api = api;
    this.#config = config;
    this.#owner = owner;
  }

  /** Purges the jobs of processes that are dead. Returns how many there were. */
  async purgeLeftovers(signal: AbortSignal): Promise<number> {
    const jobs = await this.#api.get("/v1/jobs", jobStubs, { query: { prefix: jobIdPrefix }, signal });
    const left: string[] = [];
    for (const { ID } of jobs) {
      const owner = ownerOf(ID);
      if (owner !== undefined && (await ownerState(owner)) === "dead") left.push(ID);
    }
    for (const id of left) await this.#purge(id);
    return left.length;
  }

  async acquire(request: {
    sandboxId: string;
    spec: SandboxSpec | undefined;
    signal: AbortSignal;
  }): Promise<Place> {
    const id = jobId(this.#owner, request.sandboxId);
    const timeoutMs = this.#config.start_timeout_seconds * 1_000;
    const late = AbortSignal.timeout(timeoutMs);
    const signal = AbortSignal.any([request.signal, late]);
    let waitsFor = "Nomad's answer";
    try {
      request.signal.throwIfAborted();
      // Not to be aborted half way: a registration that arrives behind our purge would stay for good.
      const { EvalID } = await this.#api.send("PUT", "/v1/jobs", registration, {
        body: { Job: sandboxJob(id, this.#owner, this.#config, request.spec) },
        signal: AbortSignal.timeout(registrationTimeoutMs),
      });
      signal.throwIfAborted();
      waitsFor = (await this.#awaitPlacement(EvalID, request.sandboxId, signal)) ?? "its allocation";
      const allocation = await this.#awaitRunning(id, request.sandboxId, signal);
      return {
        allocation,
        task: ownTask,
        driver: this.#config.driver,
        release: () => this.#release(id, allocation),
      };
    } catch (error) {
      await this.#release(id);
      request.signal.throwIfAborted();
      if (!late.aborted || error instanceof LachesisError) throw error;
      throw startFailed(
        request.sandboxId,
        `nothing ran after ${this.#config.start_timeout_seconds} s, waiting for ${waitsFor}`,
      );
    }
  }

  async close(): Promise<void> {}

  /** What the job still waits for when the scheduler has spoken: undefined where it found a node. */
  async #awaitPlacement(
    evaluationId: string,
    sandboxId: string,
    signal: AbortSignal,
  ): Promise<string | undefined> {
    for (;;) {
      const { Status, StatusDescription, FailedTGAllocs } = await this.#api.get(
        `/v1/evaluation/${evaluationId}`,
        evaluation,
        { signal },
      );
      if (Status === "failed" || Status === "canceled") {
        throw startFailed(sandboxId, `Nomad's evaluation ${Status}: ${StatusDescription}`);
      }
      const metric = FailedTGAllocs?.[ownTask];
      if (metric !== undefined) {
        const why = describePlacement(metric, this.#config.datacenters);
        if (mayPlaceLater(metric)) return `room on a node: ${why}`;
        throw new LachesisError("SANDBOX_UNAVAILABLE", `Nomad finds no node for the sandbox: ${why}.`, {
          hint: `Look at \`nomad node status\`: nodes need the driver ${this.#config.driver}, and nomad_datacenters must name where they are.`,
        });
      }
      if (Status === "complete") return undefined;
      await sleep(evaluationPollMs, undefined, { signal });
    }
  }

  async #awaitRunning(id: string, sandboxId: string, signal: AbortSignal): Promise<Allocation> {
    let index = 0;
    for (;;) {
      const { value, index: next } = await this.#api.watch(
        `/v1/job/${encodeURIComponent(id)}/allocations`,
        allocations,
        { index, waitSeconds: watchSeconds, signal },
      );
      const newest = value.toSorted((one, two) => two.CreateIndex - one.CreateIndex)[0];
      if (newest?.ClientStatus === "running") return newest;
      if (newest !== undefined && isOver(newest)) throw allocationFailed(sandboxId, newest);
      index = next;
    }
  }

  /** Never rejects: what cannot be purged now is purged by a later process that finds this one dead. */
  async #release(id: string, allocation?: Allocation): Promise<void> {
    await this.#purge(id).catch(() => {});
    if (allocation !== undefined) await awaitOver(this.#api, allocation.ID);
  }

  async #purge(id: string): Promise<void> {
    const path = `/v1/job/${encodeURIComponent(id)}`;
    for (let tryNumber = 1; ; tryNumber += 1) {
      try {
        const signal = AbortSignal.timeout(10_000);
        await this.#api.send("DELETE", path, z.unknown(), { query: { purge: "true" }, signal });
        return;
      } catch (error) {
        if (error instanceof LachesisError && !error.retryable) return;
        if (tryNumber === purgeTries) throw error;
        await sleep(tryNumber * 500);
      }
    }
  }
}

const pullFailure = /pull|manifest unknown|no such image/i;

function allocationFailed(sandboxId: string, allocation: Allocation): LachesisError {
  const why = describeAllocation(allocation);
  if (!pullFailure.test(why)) return startFailed(sandboxId, why);
  return new LachesisError(
    "SANDBOX_IMAGE_UNAVAILABLE",
    `The image of the sandbox ${sandboxId} cannot be had: ${why}.`,
    {
      hint: "Correct `--env.nomad_image` or the item's image, or give the nodes what they need to pull it.",
    },
  );
}
