import { expect, test } from "vitest";
import { MemoryStore } from "../../src/rollout-api/memory-store.ts";
import { atroposBehaviour } from "../../src/rollout-api/run-state.ts";
import { encodedGroup, startRun } from "../support/encoded-group.ts";
import { testGroupStore } from "../support/group-store-contract.ts";

testGroupStore("MemoryStore", async () => new MemoryStore());

test("MemoryStore serves the oldest batch first when told so", async () => {
  await using store = new MemoryStore({ behaviour: { ...atroposBehaviour, batchOrder: "oldest-first" } });
  await startRun(store, { batchSize: 4 });
  await store.submit(["a", "b"].map((label) => encodedGroup(4, 0, label)));
  const first = await store.takeBatch();
  expect(first).toMatchObject({ kind: "batch", bodies: [Buffer.from('{"label":"a"}')] });
});
