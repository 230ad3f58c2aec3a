import { readFile } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import { errorCodes } from "../../src/contracts/error-codes.ts";

const table = await readFile(new URL("../../docs/errors.md", import.meta.url), "utf8");

describe("docs/errors.md", () => {
  test("lists every code with the remedy that the code carries, sorted, and nothing else", () => {
    const rows = [...table.matchAll(/^\| `([A-Z0-9_]+)` \| (.*) \|$/gm)].map(([, code, remedy]) => [
      code,
      remedy,
    ]);
    const expected = Object.entries(errorCodes).map(([code, remedy]) => [
      code,
      remedy.replaceAll("|", "\\|"),
    ]);
    expect(rows).toEqual(expected);
  });

  test("is kept sorted, so that a code is found by eye", () => {
    const codes = Object.keys(errorCodes);
    expect(codes).toEqual([...codes].sort());
  });
});
