import { expect, test } from "vitest";
import { chooseItems } from "../../../src/env/evaluation/choose-items.ts";

const numbers = Array.from({ length: 20 }, (_, value) => ({ value }));
const named = ["alpha", "beta", "gamma"].map((id) => ({ id }));
const ids = (chosen: readonly { id: string }[]) => chosen.map(({ id }) => id).join(" ");

test("numbers, ranges and ids are taken once each, in the items' order", () => {
  expect(ids(chooseItems(numbers, { items: "9-11,0, 5,10" }))).toBe("0 5 9 10 11");
  expect(ids(chooseItems(named, { items: "gamma,0" }))).toBe("alpha gamma");
  expect(ids(chooseItems(named, { items: '["beta"]' }))).toBe("beta");
});

test("an id is the item's own where each has one of its own, else its number", () => {
  expect(ids(chooseItems(named, {}))).toBe("alpha beta gamma");
  expect(ids(chooseItems([{ id: "a" }, { id: "a" }], {}))).toBe("0 1");
  expect(ids(chooseItems([{ id: 7 }, { id: 8 }], { items: "7" }))).toBe("7");
  expect(ids(chooseItems(named, {}, { scope: "greek/" }))).toBe("greek/alpha greek/beta greek/gamma");
});

test("an item that there is none of is told, with what is near", () => {
  const chosen = (items: string) => () => chooseItems(named, { items });
  expect(chosen("gama")).toThrow(
    expect.objectContaining({ code: "USAGE_INVALID", hint: expect.stringContaining("gamma") }),
  );
  expect(chosen("1-3")).toThrow(/no item is "1-3"; there are 3, numbered 0-2/);
  expect(chosen("")).toThrow(/no item is ""/);
  expect(chosen("99")).toThrow(
    expect.objectContaining({ hint: expect.not.stringContaining("Did you mean") }),
  );
  expect(chosen("2-0")).toThrow(expect.objectContaining({ hint: "Write 0-2." }));
});

test("a shuffle seed says which items the limit takes", () => {
  const taken = (shuffleSeed: number) => ids(chooseItems(numbers, { shuffleSeed, limit: 5 }));
  expect(taken(1)).toBe(taken(1));
  expect(taken(1)).not.toBe(taken(2));
  expect(taken(1).split(" ")).toHaveLength(5);
  expect(ids(chooseItems(numbers, { limit: 3 }))).toBe("0 1 2");
});
