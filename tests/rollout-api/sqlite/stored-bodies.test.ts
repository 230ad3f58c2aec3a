import { statSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, test } from "vitest";
import { BodySegments } from "../../../src/rollout-api/sqlite/body-segments.ts";
import { SCHEMA } from "../../../src/rollout-api/sqlite/schema.ts";
import { Statements } from "../../../src/rollout-api/sqlite/statements.ts";
import { StoredBodies } from "../../../src/rollout-api/sqlite/stored-bodies.ts";
import { TemporaryDirectory } from "../../support/temporary-directory.ts";

test("one old group a segment does not keep the disk full: what is still needed moves together", async () => {
  await using directory = await TemporaryDirectory.make();
  const path = join(directory.path, "bodies");
  const database = new DatabaseSync(":memory:");
  database.exec(SCHEMA);
  const statements = new Statements(database);
  using segments = new BodySegments(path, "full", 100_000);
  const bodies = new StoredBodies(statements, segments, true);
  bodies.load();
  const bodyOf = (id: number) => Buffer.alloc(10_000, `body ${id},`);
  for (let id = 1; id <= 400; id++) {
    const body = { id, body: bodyOf(id) };
    const placed = bodies.write([body]);
    statements.transaction(() => {
      bodies.insert([body], placed);
      // Every twentieth stays.
      if (id % 20 !== 0) bodies.discard([id]);
      bodies.tidy();
    });
    bodies.committed();
    while (bodies.sweep(8));
  }
  const files = await readdir(path);
  const bytes = files.reduce((sum, file) => sum + statSync(join(path, file)).size, 0);
  expect(bytes).toBeLessThan(1_000_000);
  const memory = Buffer.alloc(10_000);
  for (let id = 20; id <= 400; id += 20) {
    expect(bodies.read([id], memory)).toEqual([10_000]);
    expect(memory.equals(bodyOf(id))).toBe(true);
  }
  database.close();
});
