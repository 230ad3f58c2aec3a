/** What a pool counts and how long its work takes. */
import { RecentDurations } from "../../src/telemetry/recent-durations.ts";

export class PoolMetrics {
  /** Sandboxes that were made; that ended while they waited for a rollout; that nobody disposed of in time. */
  created = 0;
  evicted = 0;
  leaked = 0;
  /** Creations and disposals that failed; rollouts that waited in vain. */
  createFailures = 0;
  destroyFailures = 0;
  timeouts = 0;
  readonly durations = {
    /** From a rollout's request to its sandbox. */
    acquire: new RecentDurations(),
    create: new RecentDurations(),
    exec: new RecentDurations(),
    destroy: new RecentDurations(),
  };

  toRecord(): Record<string, number> {
    const record: Record<string, number> = {
      "sandbox/created": this.created,
      "sandbox/evicted": this.evicted,
      "sandbox/leaked": this.leaked,
      "sandbox/create_failures": this.createFailures,
      "sandbox/destroy_failures": this.destroyFailures,
      "sandbox/acquire_timeouts": this.timeouts,
    };
    for (const [name, durations] of Object.entries(this.durations)) {
      const [median, high] = [durations.quantile(0.5), durations.quantile(0.95)];
      if (median === undefined || high === undefined) continue;
      record[`sandbox/${name}_ms_p50`] = median;
      record[`sandbox/${name}_ms_p95`] = high;
    }
    return record;
  }
}
