import fc from "fast-check";
import { expect, test } from "vitest";
import { z } from "zod";
import type { Dataset } from "../../src/data/dataset.ts";
import { type BadRow, ItemCursor } from "../../src/data/item-cursor.ts";
import { shuffledOrder } from "../../src/data/shuffled-order.ts";

const schema = z.object({ id: z.int() });

/** A dataset of these rows; `undefined` stands for a line that is no JSON. */
function datasetOf(rows: readonly unknown[]): Dataset {
  return {
    name: "rows",
    length: rows.length,
    read: (index) =>
      rows[index] === undefined ? { ok: false, reason: "no valid JSON" } : { ok: true, value: rows[index] },
    locate: (index) => ({ file: "rows.jsonl", line: index + 1 }),
  };
}

const numbered = (length: number) => datasetOf(Array.from({ length }, (_, id) => ({ id })));

function ids(cursor: ItemCursor<{ id: number }>, count: number): (number | undefined)[] {
  return Array.from({ length: count }, () => cursor.next()?.id);
}

test("without shuffling each epoch is the file's order, and the last one ends with null", () => {
  const cursor = new ItemCursor({ dataset: numbered(3), schema, shuffleSeed: null, epochs: 2 });
  expect([...cursor.rest()].map(({ id }) => id)).toEqual([0, 1, 2, 0, 1, 2]);
  expect(cursor.next()).toBeNull();
});

test("shuffled epochs hold every row once, differ from each other, and repeat with the seed", () => {
  const play = (seed: number) =>
    ids(new ItemCursor({ dataset: numbered(50), schema, shuffleSeed: seed }), 100);
  const first = play(7);
  expect(first.slice(0, 50).toSorted((a = 0, b = 0) => a - b)).toEqual(
    Array.from({ length: 50 }, (_, id) => id),
  );
  expect(first.slice(50).toSorted((a = 0, b = 0) => a - b)).toEqual(
    Array.from({ length: 50 }, (_, id) => id),
  );
  expect(first.slice(0, 50)).not.toEqual(first.slice(50));
  expect(play(7)).toEqual(first);
  expect(play(8)).not.toEqual(first);
});

test("a cursor restored at any position goes on as the first one would have", () => {
  fc.assert(
    fc.property(fc.nat(40), fc.nat(1_000), fc.boolean(), (played, seed, isShuffled) => {
      const make = () =>
        new ItemCursor({ dataset: numbered(11), schema, shuffleSeed: isShuffled ? seed : null });
      const original = make();
      ids(original, played);
      const resumed = make();
      resumed.restore(JSON.parse(JSON.stringify(original.position)));
      expect(ids(resumed, 15)).toEqual(ids(original, 15));
    }),
  );
});

test.each([
  { epoch: 0, index: 4 },
  { epoch: -1, index: 0 },
  { epoch: 0, index: 0.5 },
])("position %j is refused for a dataset of 3 rows", (position) => {
  const cursor = new ItemCursor({ dataset: numbered(3), schema, shuffleSeed: null });
  expect(() => cursor.restore(position)).toThrow(/dataset rows has 3 rows/);
});

test("bad rows are skipped, told once each, and counted", () => {
  const told: BadRow[] = [];
  const cursor = new ItemCursor({
    dataset: datasetOf([{ id: 1 }, undefined, { id: "x" }, { other: 1 }, { id: 2 }]),
    schema,
    shuffleSeed: null,
    epochs: 3,
    onBadRow: (row) => told.push(row),
  });
  expect([...cursor.rest()].map(({ id }) => id)).toEqual([1, 2, 1, 2, 1, 2]);
  expect(told.map(({ file, line }) => `${file}:${line}`)).toEqual(
    [2, 3, 4].map((line) => `rows.jsonl:${line}`),
  );
  expect(told[0]?.reason).toBe("no valid JSON");
  expect(told[1]?.reason).toMatch(/^id: /);
  expect(cursor.badRows).toBe(3);
});

test("a bad row can be an error that names file and line", () => {
  const dataset = datasetOf([{ id: 1 }, { id: null }]);
  const cursor = new ItemCursor({ dataset, schema, shuffleSeed: null, badRows: "error" });
  cursor.next();
  expect(() => cursor.next()).toThrow(
    expect.objectContaining({
      code: "DATASET_INVALID",
      message: expect.stringMatching(/^rows\.jsonl:2: id: /),
    }),
  );
});

test("a dataset without any usable row is an error, not an endless search", () => {
  const cursor = new ItemCursor({
    dataset: datasetOf([undefined, {}, { id: null }]),
    schema,
    shuffleSeed: 1,
  });
  expect(() => cursor.next()).toThrow(
    expect.objectContaining({
      code: "DATASET_EMPTY",
      message: expect.stringMatching(/can be used; .+:\d+: ./),
    }),
  );
});

test("shuffledOrder is a permutation for any seed, and puts rows everywhere", () => {
  fc.assert(
    fc.property(fc.nat(200), fc.maxSafeNat(), fc.nat(), (length, seed, epoch) => {
      const order = shuffledOrder(length, { seed, epoch });
      expect([...order].toSorted((a, b) => a - b)).toEqual(Array.from({ length }, (_, index) => index));
    }),
  );
  const firsts = new Set(Array.from({ length: 200 }, (_, seed) => shuffledOrder(10, { seed, epoch: 0 })[0]));
  expect(firsts.size).toBe(10);
});
