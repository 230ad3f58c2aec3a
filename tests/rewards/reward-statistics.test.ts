import { expect, test } from "vitest";
import { RewardStatistics } from "../../rewards/reward-statistics.ts";

test("means, least and greatest of each part since the last time", () => {
  const statistics = new RewardStatistics();
  const parts = (raw: number) => ({ format: { raw, weighted: raw / 2 } });
  statistics.add({
    score: 0,
    parts: { ...parts(1), accuracy: { raw: 1, weighted: 1 } },
    metrics: { length: 10 },
  });
  statistics.add({ score: 0, parts: parts(-3), metrics: { length: 20 } });
  expect(statistics.take()).toEqual({
    "reward/format/mean_raw": -1,
    "reward/format/mean_weighted": -0.5,
    "reward/format/min": -3,
    "reward/format/max": 1,
    "reward/accuracy/mean_raw": 1,
    "reward/accuracy/mean_weighted": 1,
    "reward/accuracy/min": 1,
    "reward/accuracy/max": 1,
    "reward/length": 15,
  });
  expect(statistics.take()).toEqual({});
});
