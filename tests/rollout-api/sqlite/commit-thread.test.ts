import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { expect, test } from "vitest";
import { CommitThread } from "../../../src/rollout-api/sqlite/commit-thread.ts";
import { ChangeLog, type RunChanges } from "../../../src/rollout-api/sqlite/run-changes.ts";
import { TemporaryDirectory } from "../../support/temporary-directory.ts";

/** A thread on a new file; what is put into `changes` goes with the next commit. */
async function openThread() {
  const directory = await TemporaryDirectory.make();
  const changes: RunChanges[] = [];
  const commits: number[] = [];
  const collect = () => {
    commits.push(changes.length);
    return changes.splice(0);
  };
  const path = join(directory.path, "store.sqlite");
  const thread = new CommitThread({ path, sync: "normal", collect });
  await thread.load();
  commits.length = 0;
  return {
    thread,
    commits,
    addGroup(id: number, sequences = 4) {
      const log = new ChangeLog({ run: 1, name: "default", row: () => expect.unreachable() });
      const counts = { bytes: 4, arrivedAt: 0, arrivedStep: 0, position: id };
      log.groupAdded({ id, sequences, envId: null, ...counts }, Buffer.from(`body ${id}`));
      changes.push(...[log.collect()].filter((change) => change !== null));
    },
    async [Symbol.asyncDispose]() {
      await thread[Symbol.asyncDispose]();
      await directory[Symbol.asyncDispose]();
    },
  };
}

test("what comes while commits run shares the next one", async () => {
  await using opened = await openThread();
  const { thread, commits, addGroup } = opened;
  const stored: Promise<void>[] = [];
  for (let id = 1; id <= 50; id++) {
    addGroup(id);
    stored.push(thread.commit());
    await Promise.resolve();
  }
  await Promise.all(stored);
  expect(commits.reduce((sum, count) => sum + count, 0)).toBe(50);
  expect(commits.length).toBeLessThan(6);
  const read = await thread.read([1, 50], 100);
  expect(read?.bodies.map(String)).toEqual(["body 1", "body 50"]);
  expect(await thread.read([1, 51], 100)).toBeNull();
});

test("after a failed commit nothing is stored until everything was loaded anew", async () => {
  await using opened = await openThread();
  const { thread, addGroup } = opened;
  addGroup(1, 0.5);
  const failing = thread.commit();
  await nextTurn();
  addGroup(2);
  const following = thread.commit();
  await expect(failing).rejects.toMatchObject({ code: "STORE_WRITE_FAILED", retryable: true });
  await expect(following).rejects.toMatchObject({ code: "STORE_WRITE_FAILED" });
  expect(thread.isBroken).toBe(true);
  addGroup(3);
  await expect(thread.commit()).rejects.toMatchObject({ code: "STORE_WRITE_FAILED" });

  await thread.load();
  addGroup(4);
  await thread.commit();
  const bodies = await Promise.all([1, 2, 3, 4].map(async (id) => (await thread.read([id], 100))?.bodies));
  expect(bodies.map((read) => read?.map(String))).toEqual([undefined, undefined, undefined, ["body 4"]]);
});

test("once it is closed, everything is refused", async () => {
  const opened = await openThread();
  await opened[Symbol.asyncDispose]();
  opened.addGroup(1);
  await expect(opened.thread.commit()).rejects.toMatchObject({ code: "STORE_WRITE_FAILED" });
  await opened.thread[Symbol.asyncDispose]();
});
