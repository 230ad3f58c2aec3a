/** Which of an environment's held-out items an evaluation plays, and the names that they have in its files. */
import { closestNames } from "../../contracts/closest-names.ts";
import { LachesisError } from "../../contracts/errors.ts";
import { shuffledOrder } from "../../data/shuffled-order.ts";

export type ItemSelection = {
  /** Ids, numbers from 0 and ranges: `0,5,9-12,algebra-7`; or a JSON list of ids. */
  items?: string | undefined;
  /** Shuffles before the limit is taken. */
  shuffleSeed?: number | undefined;
  limit?: number | undefined;
};

export type ChosenItem<Item> = { id: string; index: number; item: Item };

/**
 * In the order in which they are played. Throws USAGE_INVALID for an item that there is none of. An id is the item's
 * own `id` (a text or number) where every item has one of its own; else its number, from 0.
 */
export function chooseItems<Item>(
  items: readonly Item[],
  { items: wanted, shuffleSeed, limit = Number.POSITIVE_INFINITY }: ItemSelection,
  { scope = "" }: { scope?: string | undefined } = {},
): ChosenItem<Item>[] {
  const ids = itemIds(items);
  const all = items.map((item, index) => ({ id: `${scope}${ids[index]}`, index, item }));
  const chosen = wanted === undefined ? all : pick(all, wanted);
  if (shuffleSeed === undefined) return chosen.slice(0, limit);
  const order = shuffledOrder(chosen.length, { seed: shuffleSeed, epoch: 0 });
  return [...order].flatMap((place) => chosen[place] ?? []).slice(0, limit);
}

function itemIds(items: readonly unknown[]): string[] {
  const own = items.map((item) => {
    if (typeof item !== "object" || item === null || !("id" in item)) return undefined;
    const { id } = item;
    return (typeof id === "string" && id !== "") || typeof id === "number" ? String(id) : undefined;
  });
  const known = own.filter((id) => id !== undefined);
  return new Set(known).size === items.length ? known : items.map((_item, index) => String(index));
}

function pick<Item>(all: readonly ChosenItem<Item>[], wanted: string): ChosenItem<Item>[] {
  const byId = new Map(all.map((chosen) => [chosen.id, chosen]));
  const picked = new Set(
    words(wanted).flatMap((word) => {
      const own = byId.get(word);
      if (own !== undefined) return [own];
      const [, first, last = first] = /^(\d+)(?:-(\d+))?$/.exec(word) ?? [];
      const range = first === undefined ? [] : all.slice(Number(first), Number(last) + 1);
      if (range.length > 0 && Number(last) < all.length) return range;
      if (Number(first) > Number(last)) throw backwards(word, { first, last });
      throw unknownItem(word, all);
    }),
  );
  return [...picked].sort((a, b) => a.index - b.index);
}

function words(wanted: string): string[] {
  if (!wanted.startsWith("[")) return wanted.split(",").map((word) => word.trim());
  try {
    const list: unknown = JSON.parse(wanted);
    if (Array.isArray(list)) return list.map(String);
  } catch {
    // Said below.
  }
  throw new LachesisError("USAGE_INVALID", `--items ${wanted}: expected a JSON list of ids.`);
}

function backwards(word: string, { first, last }: { first?: string; last?: string }): LachesisError {
  return new LachesisError("USAGE_INVALID", `--items: the range ${word} ends before it begins.`, {
    hint: `Write ${last}-${first}.`,
  });
}

function unknownItem(word: string, all: readonly ChosenItem<unknown>[]): LachesisError {
  // Of a number that is none of them, others are no better.
  const names = /^[\d-]*$/.test(word) ? [] : all.slice(0, 10_000).map(({ id }) => id);
  const near = closestNames(word, names, 3);
  const has = all.length === 0 ? "there are none" : `there are ${all.length}, numbered 0-${all.length - 1}`;
  return new LachesisError("USAGE_INVALID", `--items: no item is "${word}"; ${has}.`, {
    hint: near.length > 0 ? `Did you mean ${near.join(" or ")}?` : "Write ids, numbers and ranges: 0,5,9-12.",
  });
}
