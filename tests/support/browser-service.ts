/** A real Chromium as the product starts it, allowed to see single loopback servers. */
import { existsSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BrowserService } from "../../src/tools/browser/browser-service.ts";
import { AddressGuard } from "../../src/tools/web/address-guard.ts";

const executable = "/usr/bin/chromium";

export const chromiumProblem = existsSync(executable)
  ? null
  : `needs ${executable}: apt-get install chromium`;

/** `directories` receives each directory that a Chromium got. */
export function browserService(
  allowedHosts: readonly string[],
  { timeoutMs = 20_000, directories = [] }: { timeoutMs?: number; directories?: string[] } = {},
): BrowserService {
  return new BrowserService({
    executable,
    chromiumSandbox: null,
    guard: new AddressGuard({ allowedHosts }),
    timeoutMs,
    snapshotChars: 8_000,
    async makeDirectory() {
      const directory = await mkdtemp(join(tmpdir(), "lachesis-test-browser-"));
      directories.push(directory);
      return directory;
    },
  });
}
