/**
 * The metrics of runs. What a store counts itself is read from it when somebody asks, so that it is right
 * after a restart of the server too; what passes by is added up here.
 */
import { Counter, Gauge, Histogram, type Registry } from "prom-client";
import type { GroupStores, RunOverview } from "../group-store.ts";
import { BoundedLabel, envLabel, UNKNOWN } from "./metric-labels.ts";
import type { BatchServed, RunEvent, RunObserver } from "./run-events.ts";

const MOST_RUNS = 32;
const MOST_ENVS = 64;
const AGE_SECONDS = [0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600, 14_400, 86_400];
const STALENESS_STEPS = [0, 1, 2, 3, 4, 6, 8, 12, 16, 32, 64];

/** Gauges with one value a run. */
const RUN_GAUGES: readonly [name: string, help: string, read: (overview: RunOverview) => number][] = [
  ["current_step", "Batches formed, counted from the registered starting step", (run) => run.currentStep],
  ["batch_size", "Sequences in a batch; -1 before a trainer registers", (run) => run.batchSize],
  ["queue_groups", "Groups that wait for a batch", (run) => run.queuedGroups],
  ["queue_sequences", "Sequences of the groups that wait for a batch", (run) => run.queuedSequences],
  ["queue_bytes", "Bytes of the groups that wait for a batch", (run) => run.queuedBytes],
  [
    "queue_oldest_seconds",
    "Age of the group that has waited longest; 0 when none waits",
    (run) => (run.oldestQueuedMs ?? 0) / 1000,
  ],
  ["buffered_groups", "Odd-sized groups that wait for others to add up with", (run) => run.bufferedGroups],
  ["unpackable_groups", "Queued groups that no batch of the run can hold", (run) => run.unpackableGroups],
  ["held_groups", "Groups that the limits count: queued, buffered, formed, leased", (run) => run.heldGroups],
  ["held_bytes", "Bytes that the limits count", (run) => run.heldBytes],
  ["batches_waiting", "Formed batches that wait for a trainer", (run) => run.waitingBatches],
  ["leases_open", "Batches that a trainer has been given and has not settled", (run) => run.openLeases],
];

/** Counters that the store keeps for a run. */
const RUN_TOTALS: readonly [name: string, help: string, read: (overview: RunOverview) => number][] = [
  ["groups_taken_total", "Groups of batches that a trainer has taken", (run) => run.totals.groupsOut],
  [
    "sequences_taken_total",
    "Sequences of batches that a trainer has taken",
    (run) => run.totals.sequencesOut,
  ],
  ["batches_taken_total", "Batches that a trainer has taken", (run) => run.totals.batchesOut],
  [
    "leases_expired_total",
    "Leases that ran out before anybody settled them; their batches wait again",
    (run) => run.totals.leasesExpired,
  ],
  ["groups_duplicate_total", "Groups that had come before under their id", (run) => run.totals.duplicates],
];

export class RunMetrics implements RunObserver {
  readonly #runs = new BoundedLabel(MOST_RUNS);
  readonly #envsByRun = new Map<string, BoundedLabel>();
  readonly #gauges: { gauge: Gauge<"run">; read: (overview: RunOverview) => number }[];
  readonly #totals: { counter: Counter<"run">; read: (overview: RunOverview) => number }[];
  readonly #received: { groups: Counter<"run" | "env">; sequences: Counter<"run" | "env"> };
  readonly #queuedByEnv: Gauge<"run" | "env">;
  readonly #weights: Gauge<"run" | "env">;
  readonly #envs: Gauge<"run" | "state">;
  readonly #bytesReceived: Counter<"run" | "env">;
  readonly #served: { groups: Counter<"run" | "env">; sequences: Counter<"run" | "env"> };
  readonly #batchesServed: Counter<"run">;
  readonly #bytesServed: Counter<"run">;
  readonly #age: Histogram<"run">;
  readonly #staleness: Histogram<"run" | "since">;
  readonly #settled: Counter<"run" | "outcome">;
  readonly #refused: Counter<"run" | "reason">;

  constructor({ registry }: { registry: Registry }) {
    const registers = [registry];
    const byRun = (name: string, help: string) => ({
      name: `lachesis_${name}`,
      help,
      registers,
      labelNames: ["run"] as const,
    });
    const byEnv = (name: string, help: string) => ({
      ...byRun(name, help),
      labelNames: ["run", "env"] as const,
    });
    this.#gauges = RUN_GAUGES.map(([name, help, read]) => ({ gauge: new Gauge(byRun(name, help)), read }));
    this.#totals = RUN_TOTALS.map(([name, help, read]) => ({
      counter: new Counter(byRun(name, help)),
      read,
    }));
    this.#received = {
      groups: new Counter(byEnv("groups_received_total", "Groups that the run has taken in")),
      sequences: new Counter(byEnv("sequences_received_total", "Sequences that the run has taken in")),
    };
    this.#queuedByEnv = new Gauge(byEnv("env_queue_groups", "Groups of the environment that wait"));
    this.#weights = new Gauge(
      byEnv("env_weight", "Weight that the environment asked for; the newest namesake's"),
    );
    this.#envs = new Gauge({
      ...byRun("envs", "Environments by state: connected, stale (silent for too long), left"),
      labelNames: ["run", "state"],
    });
    this.#bytesReceived = new Counter(byEnv("bytes_received_total", "Bytes of groups as they are stored"));
    this.#served = {
      groups: new Counter(
        byEnv("groups_served_total", "Groups in batches given out; a batch may be given out again"),
      ),
      sequences: new Counter(byEnv("sequences_served_total", "Sequences in batches given out")),
    };
    this.#batchesServed = new Counter(byRun("batches_served_total", "Batches given out"));
    this.#bytesServed = new Counter(byRun("bytes_served_total", "Bytes of groups given out"));
    this.#age = new Histogram({
      ...byRun("group_age_seconds", "Age of groups when they were given out, since they came"),
      buckets: AGE_SECONDS,
    });
    this.#staleness = new Histogram({
      ...byRun(
        "group_staleness_steps",
        "Steps between a group's sampling (or, unknown that, its arrival) and its step",
      ),
      labelNames: ["run", "since"],
      buckets: STALENESS_STEPS,
    });
    this.#settled = new Counter({
      ...byRun(
        "leases_settled_total",
        "Leases that ended: taken, returned, or refused because unknown or over",
      ),
      labelNames: ["run", "outcome"],
    });
    this.#refused = new Counter({
      ...byRun("groups_refused_total", "Valid groups that were not stored: queue_full, or unpackable"),
      labelNames: ["run", "reason"],
    });
  }

  observe(run: string, event: RunEvent): void {
    const label = this.#runs.of(run);
    switch (event.kind) {
      case "groups-received":
        for (const { env, bytes } of event.groups) {
          this.#bytesReceived.inc({ run: label, env: this.#envOf(label, env) }, bytes);
        }
        return;
      case "batch-served":
        this.#addBatch(label, event.batch);
        return;
      case "lease-settled":
        this.#settled.inc({ run: label, outcome: event.known ? event.how : "refused" });
        return;
      case "groups-refused":
        this.#refused.inc({ run: label, reason: event.reason }, event.groups);
        return;
      default:
    }
  }

  /** Reads how the runs stand. */
  async collect(stores: GroupStores): Promise<void> {
    const overviews = await Promise.all(
      stores.names().map(async (name) => [name, await (await stores.run(name)).overview()] as const),
    );
    for (const { gauge } of this.#gauges) gauge.reset();
    for (const { counter } of this.#totals) counter.reset();
    for (const metric of [this.#received.groups, this.#received.sequences]) metric.reset();
    for (const metric of [this.#queuedByEnv, this.#weights, this.#envs]) metric.reset();
    for (const [name, overview] of overviews) this.#setRun(this.#runs.of(name), overview);
  }

  #setRun(run: string, overview: RunOverview): void {
    for (const { gauge, read } of this.#gauges) gauge.inc({ run }, read(overview));
    for (const { counter, read } of this.#totals) counter.inc({ run }, read(overview));
    const unnamed = { groups: overview.totals.groupsIn, sequences: overview.totals.sequencesIn };
    const states = { connected: 0, stale: 0, left: 0 };
    for (const env of overview.envs) {
      const labels = { run, env: this.#envOf(run, env.wandbName) };
      this.#received.groups.inc(labels, env.groupsIn);
      this.#received.sequences.inc(labels, env.sequencesIn);
      this.#queuedByEnv.inc(labels, env.queuedGroups);
      this.#weights.set(labels, env.weight);
      unnamed.groups -= env.groupsIn;
      unnamed.sequences -= env.sequencesIn;
      states[!env.connected ? "left" : env.stale ? "stale" : "connected"]++;
    }
    if (unnamed.groups > 0) {
      this.#received.groups.inc({ run, env: UNKNOWN }, unnamed.groups);
      this.#received.sequences.inc({ run, env: UNKNOWN }, unnamed.sequences);
    }
    for (const [state, count] of Object.entries(states)) this.#envs.inc({ run, state }, count);
  }

  #addBatch(run: string, { groups, bytes }: BatchServed): void {
    this.#batchesServed.inc({ run });
    this.#bytesServed.inc({ run }, bytes);
    for (const { env, sequences, ageMs, staleness } of groups) {
      const labels = { run, env: this.#envOf(run, env) };
      this.#served.groups.inc(labels);
      this.#served.sequences.inc(labels, sequences);
      this.#age.observe({ run }, ageMs / 1000);
      this.#staleness.observe({ run, since: staleness.since }, staleness.steps);
    }
  }

  #envOf(run: string, wandbName: string | null): string {
    const label = this.#envsByRun.get(run) ?? new BoundedLabel(MOST_ENVS);
    this.#envsByRun.set(run, label);
    return label.of(envLabel(wandbName));
  }
}
