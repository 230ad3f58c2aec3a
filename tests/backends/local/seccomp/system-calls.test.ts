/** The numbers are the kernel's own, as its headers have them; and the filter is a program the kernel takes. */
import { existsSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { seccompFilter } from "../../../../backends/local/seccomp/seccomp-filter.ts";
import {
  conditionalCalls,
  forbiddenCalls,
  systemCallTables,
} from "../../../../backends/local/seccomp/system-calls.ts";

const headers = {
  x64: "/usr/include/x86_64-linux-gnu/asm/unistd_64.h",
  arm64: "/usr/include/asm-generic/unistd.h",
};
/** Newer than the headers of some machines that the tests run on. */
const newCalls = ["open_tree_attr"];

describe.each(Object.entries(headers))("%s", (architecture, header) => {
  const reason = existsSync(header) ? "" : ` (skipped: ${header} is not here, install linux-libc-dev)`;
  test.skipIf(reason !== "")(`every number is the one of the kernel's headers${reason}`, () => {
    const numbers = new Map<string, number>();
    for (const line of readFileSync(header, "utf8").split("\n")) {
      const [, name, number] = line.match(/^#define __NR(?:3264)?_(\w+)\s+(\d+)$/) ?? [];
      if (name !== undefined) numbers.set(name, Number(number));
    }
    const calls = systemCallTables[architecture]?.calls ?? {};
    for (const name of [...forbiddenCalls, ...conditionalCalls]) {
      if (newCalls.includes(name) && !numbers.has(name)) continue;
      expect([name, calls[name]]).toEqual([name, numbers.get(name)]);
    }
  });

  test("the filter is whole: every way through it ends in a decision, and it keeps the kernel's limit", () => {
    const filter = seccompFilter(architecture) ?? Buffer.alloc(0);
    const count = filter.length / 8;
    expect(count).toBeGreaterThan(50);
    expect(count).toBeLessThanOrEqual(4_096);
    for (let index = 0; index < count; index += 1) {
      const code = filter.readUInt16LE(index * 8);
      const isReturn = code === 0x06;
      const isJump = (code & 0x07) === 0x05;
      const furthest = isJump
        ? Math.max(filter.readUInt8(index * 8 + 2), filter.readUInt8(index * 8 + 3))
        : 0;
      if (!isReturn) expect(index + 1 + furthest).toBeLessThan(count);
    }
    expect(filter.readUInt16LE((count - 1) * 8)).toBe(0x06);
  });
});

test("an architecture without tables has no filter", () => {
  expect(seccompFilter("riscv64")).toBeUndefined();
});
