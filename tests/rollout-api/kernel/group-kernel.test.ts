import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { compileKernel } from "../../../scripts/build-kernel.ts";
import { GroupKernel } from "../../../src/rollout-api/kernel/group-kernel.ts";
import { missingPackage } from "../../support/test-packages.ts";

test.skipIf(missingPackage("assemblyscript") !== null)(
  "the compiled code is that of the source",
  async () => {
    const path = new URL("../../../src/rollout-api/kernel/kernel-code.ts", import.meta.url);
    expect(await readFile(path, "utf8")).toBe(await compileKernel());
  },
);

// The lower halves of published XXH64 values.
test.each([
  ["", 0x51d8e999],
  ["a", 0xa98c6e5b],
  ["abc", 0xad770999],
])("checksum of %j", (text, expected) => {
  expect(new GroupKernel().checksum(Buffer.from(text))).toBe(expected);
});

test("every byte counts in a checksum, at any length", () => {
  const kernel = new GroupKernel();
  const bytes = Buffer.alloc(100_003, "0123456789");
  for (const length of [1, 4, 7, 8, 31, 32, 33, 63, 64, 1000, bytes.length]) {
    const part = bytes.subarray(0, length);
    const before = kernel.checksum(part);
    for (const at of new Set([0, Math.floor(length / 2), length - 1])) {
      bytes[at] = (bytes[at] ?? 0) ^ 1;
      expect(kernel.checksum(part)).not.toBe(before);
      bytes[at] = (bytes[at] ?? 0) ^ 1;
    }
    expect(kernel.checksum(part)).toBe(before);
  }
});
