/** The default mode differs from the original in these conversations, for these reasons, and in no others. */
import { expect, test } from "vitest";
import { findModeDifferences, renderDifferences } from "../support/mode-differences.ts";
import { readRecordedScenarios } from "../support/recorded-exchanges.ts";

test("docs/rollout-api-differences.md lists every recorded conversation that goes otherwise by default", {
  timeout: 240_000,
}, async () => {
  const curated = await findModeDifferences("curated");
  const random = await findModeDifferences("random");
  const countOf = async (record: string) =>
    (await readRecordedScenarios(`rollout-api/atropos-exchanges-${record}.json.gz`)).length;
  const counts = { curated: await countOf("curated"), random: await countOf("random") };
  await expect(renderDifferences(curated, random, counts)).toMatchFileSnapshot(
    "../../docs/rollout-api-differences.md",
  );
});
