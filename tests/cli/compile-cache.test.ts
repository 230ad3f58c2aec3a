import { execFile } from "node:child_process";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { TemporaryDirectory } from "../support/temporary-directory.ts";

const program = fileURLToPath(new URL("../../src/cli/environment.ts", import.meta.url));

async function version(cache: string): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, [program, "--version"], {
    env: { PATH: process.env.PATH, LACHESIS_CACHE: cache },
    timeout: 100_000,
  });
  return stdout;
}

test("compiled code is kept in the cache directory", async () => {
  await using directory = await TemporaryDirectory.make();
  expect(await version(directory.path)).toMatch(/^\d+\.\d+\.\d+\n$/);
  expect(await readdir(join(directory.path, "compiled"))).not.toEqual([]);
});

test.each(["/proc/nowhere", "/dev/null/below"])(
  "without a usable cache directory (%s) commands run",
  async (cache) => {
    expect(await version(cache)).toMatch(/^\d+\.\d+\.\d+\n$/);
  },
);
