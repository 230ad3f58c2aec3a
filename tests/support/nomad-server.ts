/**
 * A Nomad on loopback that follows the documented HTTP API as far as the backend uses it: jobs, evaluations with
 * placement failures, allocations with blocking queries, scaling, the exec websocket, purges, ACL tokens. What it
 * "runs on nodes" are real processes of this machine (nomad-allocation.ts).
 */
import { randomUUID } from "node:crypto";
import type { AddressInfo } from "node:net";
import Fastify, { type FastifyReply, type FastifyRequest } from "fastify";
import { WebSocketServer } from "ws";
import { z } from "zod";
import { NomadAllocation } from "./nomad-allocation.ts";

const taskGroup = z.object({
  Name: z.string(),
  Count: z.int(),
  ReschedulePolicy: z.object({ Attempts: z.int(), Unlimited: z.boolean() }).optional(),
  Tasks: z
    .array(
      z.object({
        Name: z.string(),
        Driver: z.enum(["docker", "exec", "raw_exec"]),
        Config: z.record(z.string(), z.unknown()),
        Resources: z.object({ CPU: z.int(), MemoryMB: z.int() }).optional(),
      }),
    )
    .min(1),
});
const jobSchema = z.object({
  ID: z.string().regex(/^[^\s\0]+$/),
  Type: z.string().default("service"),
  Datacenters: z.array(z.string()).default(["*"]),
  Meta: z.record(z.string(), z.string()).nullish(),
  TaskGroups: z.array(taskGroup).min(1),
});
export type NomadJob = z.output<typeof jobSchema>;
export type NomadTaskGroup = z.output<typeof taskGroup>;

export type NomadServerOptions = {
  /** The only token that may do anything. */
  token?: string;
  /** Images that can be pulled; default: all. */
  images?: readonly string[];
  drivers?: readonly string[];
  datacenter?: string;
  /** Allocations that fit on the nodes. Default: no limit. */
  slots?: number;
};

type Evaluation = { ID: string; Status: string; FailedTGAllocs: Record<string, unknown> | null };

export class NomadServer implements AsyncDisposable {
  readonly #options: NomadServerOptions;
  readonly #app = Fastify({ forceCloseConnections: true });
  readonly #sockets = new WebSocketServer({ noServer: true, perMessageDeflate: false });
  readonly #jobs = new Map<string, { job: NomadJob; isStopped: boolean; index: number }>();
  readonly #evaluations = new Map<string, Evaluation>();
  readonly #changed = new Set<() => void>();
  readonly allocations = new Map<string, NomadAllocation>();
  /** Every request, as "METHOD path". */
  readonly requests: string[] = [];
  #index = 1;
  address = "";

  constructor(options: NomadServerOptions = {}) {
    this.#options = options;
  }

  static async open(options: NomadServerOptions = {}): Promise<NomadServer> {
    const server = new NomadServer(options);
    server.#route();
    await server.#app.listen({ host: "127.0.0.1", port: 0 });
    const { port } = server.#app.server.address() as AddressInfo;
    server.address = `http://127.0.0.1:${port}`;
    return server;
  }

  jobIds(): string[] {
    return [...this.#jobs.keys()];
  }

  job(jobId: string): NomadJob | undefined {
    return this.#jobs.get(jobId)?.job;
  }

  count(jobId: string): number {
    return this.#jobs.get(jobId)?.job.TaskGroups[0]?.Count ?? 0;
  }

  /** Allocations of which something runs. */
  live(): NomadAllocation[] {
    return [...this.allocations.values()].filter((allocation) => !allocation.isOver);
  }

  liveOf(jobId: string): NomadAllocation[] {
    return this.live().filter((allocation) => allocation.jobId === jobId);
  }

  register(input: unknown): string {
    const job = jobSchema.parse(input);
    this.#jobs.set(job.ID, { job, isStopped: false, index: ++this.#index });
    return this.#evaluate(job.ID);
  }

  /** As if the machine went away: every connection breaks, and nothing answers any more. */
  async stopServing(): Promise<void> {
    for (const socket of this.#sockets.clients) socket.terminate();
    await this.#app.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stopServing();
    // Else the scheduler would put new ones in the place of those that end.
    this.#jobs.clear();
    await Promise.all([...this.allocations.values()].map((allocation) => allocation.destroy()));
  }

  #route(): void {
    const app = this.#app;
    app.addHook("onRequest", async (request, reply) => {
      this.requests.push(`${request.method} ${request.url.split("?")[0]}`);
      if (!this.#allows(request.headers["x-nomad-token"])) await reply.code(403).send("Permission denied");
    });
    app.put("/v1/jobs", async (request, reply) => {
      const parsed = z.object({ Job: jobSchema }).safeParse(request.body);
      if (!parsed.success) return reply.code(500).send(`job validation failed: ${parsed.error.message}`);
      return { EvalID: this.register(parsed.data.Job) };
    });
    app.get("/v1/jobs", async (request) => {
      const { prefix } = z.object({ prefix: z.string().default("") }).parse(request.query);
      return this.jobIds()
        .filter((id) => id.startsWith(prefix))
        .map((ID) => ({ ID }));
    });
    app.get("/v1/job/:id", async (request, reply) => {
      const found = this.#jobs.get(idOf(request));
      if (found === undefined) return reply.code(404).send("job not found");
      return { ...found.job, Stop: found.isStopped };
    });
    app.delete("/v1/job/:id", async (request) => {
      const id = idOf(request);
      const found = this.#jobs.get(id);
      if (found !== undefined) found.isStopped = true;
      const EvalID = this.#evaluate(id);
      const { purge } = z.object({ purge: z.string().optional() }).parse(request.query);
      if (purge === "true") this.#jobs.delete(id);
      return { EvalID };
    });
    app.post("/v1/job/:id/scale", async (request, reply) => {
      const found = this.#jobs.get(idOf(request));
      const body = z.object({ Count: z.int(), Target: z.object({ Group: z.string() }) }).parse(request.body);
      const group = found?.job.TaskGroups.find(({ Name }) => Name === body.Target.Group);
      if (found === undefined || group === undefined) return reply.code(400).send("task group not found");
      group.Count = body.Count;
      return { EvalID: this.#evaluate(found.job.ID) };
    });
    app.get("/v1/job/:id/allocations", async (request, reply) => {
      const id = idOf(request);
      const ofJob = () => [...this.allocations.values()].filter(({ jobId }) => jobId === id);
      const index = () => Math.max(this.#jobs.get(id)?.index ?? 1, ...ofJob().map((one) => one.modifyIndex));
      return this.#answer(request, reply, index, () => ofJob().map((one) => one.describe()));
    });
    app.get("/v1/allocation/:id", async (request, reply) => {
      const found = this.allocations.get(idOf(request));
      if (found === undefined) return reply.code(404).send("alloc not found");
      return this.#answer(
        request,
        reply,
        () => found.modifyIndex,
        () => found.describe(),
      );
    });
    app.post("/v1/allocation/:id/stop", async (request, reply) => {
      const found = this.allocations.get(idOf(request));
      if (found === undefined) return reply.code(404).send("allocation not found");
      found.stop("alloc was stopped by user");
      return { EvalID: this.#evaluate(found.jobId) };
    });
    app.get("/v1/evaluation/:id", async (request, reply) => {
      return this.#evaluations.get(idOf(request)) ?? reply.code(404).send("eval not found");
    });
    app.server.on("upgrade", (request, socket, head) => {
      const url = new URL(request.url ?? "/", "http://nomad");
      const allocationId = /^\/v1\/client\/allocation\/([^/]+)\/exec$/.exec(url.pathname)?.[1];
      if (allocationId === undefined) return void socket.destroy();
      this.#sockets.handleUpgrade(request, socket, head, (client) => {
        this.requests.push(`EXEC ${allocationId}`);
        // As Nomad does: what goes wrong is told by the close frame.
        if (!this.#allows(request.headers["x-nomad-token"])) return client.close(1008, "Permission denied");
        const allocation = this.allocations.get(allocationId);
        if (allocation === undefined) return client.close(1008, `Unknown allocation "${allocationId}"`);
        const command = z
          .array(z.string())
          .min(1)
          .parse(JSON.parse(url.searchParams.get("command") ?? "[]"));
        allocation.exec(client, url.searchParams.get("task") ?? "", command);
      });
    });
  }

  #allows(token: unknown): boolean {
    return this.#options.token === undefined || token === this.#options.token;
  }

  async #answer(
    request: FastifyRequest,
    reply: FastifyReply,
    index: () => number,
    value: () => unknown,
  ): Promise<unknown> {
    const query = z.object({ index: z.coerce.number().default(0), wait: z.string().default("300s") });
    const { index: known, wait } = query.parse(request.query);
    const deadline = AbortSignal.timeout(Number.parseInt(wait, 10) * 1_000);
    let isGone = false;
    reply.raw.once("close", () => {
      isGone = true;
      this.#announce();
    });
    while (known > 0 && index() <= known && !deadline.aborted && !isGone) await this.#nextChange(deadline);
    return reply.header("X-Nomad-Index", String(index())).send(value());
  }

  #nextChange(deadline: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const done = () => {
      this.#changed.delete(done);
      deadline.removeEventListener("abort", done);
      resolve();
    };
    this.#changed.add(done);
    deadline.addEventListener("abort", done, { once: true });
    return promise;
  }

  #announce(): void {
    for (const tell of [...this.#changed]) tell();
  }

  /** What the scheduler does: makes the allocations of a job as many as they should be. */
  #evaluate(jobId: string): string {
    const evaluation: Evaluation = { ID: randomUUID(), Status: "complete", FailedTGAllocs: null };
    this.#evaluations.set(evaluation.ID, evaluation);
    const found = this.#jobs.get(jobId);
    if (found !== undefined) found.index = ++this.#index;
    for (const group of found?.job.TaskGroups ?? []) {
      const present = [...this.allocations.values()]
        .filter((one) => one.jobId === jobId && one.group === group.Name && one.occupiesItsPlace)
        .toSorted((one, two) => one.place - two.place);
      const count = found?.isStopped === true ? 0 : group.Count;
      for (const surplus of present.slice(count)) surplus.stop("alloc not needed due to job update");
      const places = new Set(present.slice(0, count).map(({ place }) => place));
      for (let place = 0; places.size < count; place += 1) {
        if (places.has(place)) continue;
        places.add(place);
        const failure = this.#placementFailure(found?.job, group);
        if (failure !== undefined) evaluation.FailedTGAllocs = { [group.Name]: failure };
        else this.#place(jobId, group, place);
      }
    }
    this.#announce();
    return evaluation.ID;
  }

  #placementFailure(job: NomadJob | undefined, group: NomadTaskGroup): Record<string, unknown> | undefined {
    const { datacenter = "dc1", drivers, slots = Number.POSITIVE_INFINITY } = this.#options;
    const metric = {
      NodesEvaluated: 1,
      NodesFiltered: 0,
      NodesExhausted: 0,
      NodesAvailable: { [datacenter]: 1 },
    };
    if (!job?.Datacenters.some((name) => name === "*" || name === datacenter)) {
      return { ...metric, NodesEvaluated: 0 };
    }
    const missing = group.Tasks.find(({ Driver }) => drivers !== undefined && !drivers.includes(Driver));
    if (missing !== undefined) {
      const ConstraintFiltered = { "missing drivers": 1 };
      return { ...metric, NodesFiltered: 1, ConstraintFiltered };
    }
    if (this.live().length < slots) return undefined;
    return { ...metric, NodesExhausted: 1, DimensionExhausted: { memory: 1 } };
  }

  #place(jobId: string, group: NomadTaskGroup, place: number): void {
    const allocation = new NomadAllocation({
      jobId,
      group,
      place,
      createIndex: ++this.#index,
      images: this.#options.images,
      nextIndex: () => ++this.#index,
      onChange: () => {
        this.#announce();
        // Room may have become free for what could not be placed, and failures may be rescheduled.
        if (allocation.isOver) for (const id of this.#jobs.keys()) this.#reconsider(id);
      },
    });
    this.allocations.set(allocation.id, allocation);
    allocation.start();
  }

  #reconsider(jobId: string): void {
    const found = this.#jobs.get(jobId);
    if (found === undefined || found.isStopped) return;
    const wanted = found.job.TaskGroups.reduce((total, { Count }) => total + Count, 0);
    const present = [...this.allocations.values()].filter(
      (one) => one.jobId === jobId && one.occupiesItsPlace,
    );
    if (present.length < wanted) this.#evaluate(jobId);
  }
}

function idOf(request: FastifyRequest): string {
  return z.object({ id: z.string() }).parse(request.params).id;
}
