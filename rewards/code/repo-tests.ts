/** What an item says about its repository's hidden tests: their files, and the node ids that must pass. */
import { posix } from "node:path";
import { z } from "zod";
import { LachesisError } from "../../src/contracts/errors.ts";
import type { RewardItem } from "../reward.ts";

export type RepoTests = {
  /** Files as they must be while the tests run, by their path in the repository. */
  files: Readonly<Record<string, string>>;
  failToPass: readonly string[];
  passToPass: readonly string[];
};

const files = z.record(z.string(), z.string());
const nodeIds = z.array(z.string());

/** Throws REWARD_ITEM_INVALID where the item's columns are no such thing. */
export function readRepoTests(item: RewardItem): RepoTests {
  const given = fromText(item.tests);
  const parsed = z.object({ files, failToPass: nodeIds.min(1), passToPass: nodeIds }).safeParse({
    files: given,
    failToPass: fromText(item.FAIL_TO_PASS),
    passToPass: fromText(item.PASS_TO_PASS) ?? [],
  });
  if (!parsed.success) {
    throw new LachesisError(
      "REWARD_ITEM_INVALID",
      `The item's repository tests: ${z.prettifyError(parsed.error)}`,
      {
        hint: "It needs `tests` (path to content), FAIL_TO_PASS and PASS_TO_PASS (lists of node ids); docs/rewards.md.",
      },
    );
  }
  const outside = Object.keys(parsed.data.files).find((path) => posix.join("/", path) !== `/${path}`);
  if (outside !== undefined) {
    throw new LachesisError(
      "REWARD_ITEM_INVALID",
      `The item's test file ${outside} is no plain path in the repository.`,
    );
  }
  return {
    files: parsed.data.files,
    failToPass: parsed.data.failToPass.map(toNodeId),
    passToPass: parsed.data.passToPass.map(toNodeId),
  };
}

/** `path::Class::test` from that, or from unittest's `test (package.module.Class)`. */
export function toNodeId(id: string): string {
  const [, test, dotted = ""] = /^(\w+) \(([\w.]+)\)$/.exec(id.trim()) ?? [];
  if (test === undefined) return id.trim();
  const parts = dotted.split(".");
  if (parts.at(-1) === test) parts.pop();
  const className = parts.pop() ?? "";
  return `${parts.join("/")}.py::${className}::${test}`;
}

/** The files that node ids name. */
export function testPaths(ids: readonly string[]): string[] {
  return [...new Set(ids.map((id) => id.split("::")[0] ?? ""))].filter((path) => path.endsWith(".py"));
}

/** Lists and objects come as JSON text, too. */
function fromText(value: unknown): unknown {
  if (typeof value !== "string") return value ?? undefined;
  try {
    return JSON.parse(value);
  } catch {
    return value;
  }
}
