/** What the parts of a reward came to since it was last asked: `reward/<name>/{mean_raw,mean_weighted,min,max}`. */
import type { RewardResult } from "./reward.ts";

type Sums = { count: number; raw: number; weighted: number; min: number; max: number };

export class RewardStatistics {
  readonly #parts = new Map<string, Sums>();
  readonly #metrics = new Map<string, { count: number; sum: number }>();

  add({ parts, metrics }: RewardResult): void {
    for (const [name, { raw, weighted }] of Object.entries(parts)) {
      const sums = this.#parts.get(name) ?? { count: 0, raw: 0, weighted: 0, min: raw, max: raw };
      this.#parts.set(name, {
        count: sums.count + 1,
        raw: sums.raw + raw,
        weighted: sums.weighted + weighted,
        min: Math.min(sums.min, raw),
        max: Math.max(sums.max, raw),
      });
    }
    for (const [name, value] of Object.entries(metrics)) {
      const { count, sum } = this.#metrics.get(name) ?? { count: 0, sum: 0 };
      this.#metrics.set(name, { count: count + 1, sum: sum + value });
    }
  }

  /** Gives the statistics and begins anew. `min` and `max` are of the raw values; metrics come as `reward/<name>`. */
  take(): Record<string, number> {
    const parts = [...this.#parts].flatMap(([name, { count, raw, weighted, min, max }]) => [
      [`reward/${name}/mean_raw`, raw / count],
      [`reward/${name}/mean_weighted`, weighted / count],
      [`reward/${name}/min`, min],
      [`reward/${name}/max`, max],
    ]);
    const metrics = [...this.#metrics].map(([name, { count, sum }]) => [`reward/${name}`, sum / count]);
    this.#parts.clear();
    this.#metrics.clear();
    return Object.fromEntries([...parts, ...metrics]);
  }
}
