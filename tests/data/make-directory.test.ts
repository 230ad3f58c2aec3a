import { existsSync } from "node:fs";
import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { makeDirectory } from "../../src/data/make-directory.ts";

test("makes missing ancestors, and does not mind what is there", async () => {
  const root = await mkdtemp(join(tmpdir(), "lachesis-mkdir-"));
  try {
    await Promise.all([makeDirectory(join(root, "a/b/c")), makeDirectory(join(root, "a/b/c"))]);
    await makeDirectory(join(root, "a/b/c"));
    expect((await stat(join(root, "a/b/c"))).isDirectory()).toBe(true);
  } finally {
    await rm(root, { recursive: true });
  }
});

test("a file in the way is an error", async () => {
  await expect(makeDirectory(join(import.meta.filename, "below"))).rejects.toThrow("ENOTDIR");
});

test.skipIf(!existsSync("/proc/self"))(
  "a place where nothing can be made is an error, not a wait",
  async () => {
    await expect(makeDirectory("/proc/lachesis/below")).rejects.toThrow("ENOENT");
  },
);
