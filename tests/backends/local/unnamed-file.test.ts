/** What local sandboxes get as open files never has a name that a killed process could leave behind. */
import { closeSync, mkdtempSync, readSync, rmSync, watch, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, expect, test, vi } from "vitest";
import { InheritableFile } from "../../../backends/local/inheritable-file.ts";
import { ReportFile } from "../../../backends/local/report-file.ts";
import { eventually } from "../../support/host-processes.ts";

const isLinux = process.platform === "linux";

afterEach(() => void vi.unstubAllEnvs());

test.skipIf(!isLinux)(
  "no name of a file comes into the place for temporary files, not even for a moment",
  async () => {
    const directory = mkdtempSync(join(tmpdir(), "unnamed-file-test-"));
    const named: (string | null)[] = [];
    const watcher = watch(directory, (event, name) => {
      if (event === "rename") named.push(name);
    });
    try {
      vi.stubEnv("TMPDIR", directory);
      for (let index = 0; index < 20; index += 1) {
        using _report = new ReportFile();
        using _file = new InheritableFile(`content ${index}`);
      }
      // What is seen of this one tells that the watcher has seen all before it.
      rmSync(mkdtempSync(join(directory, "seen-")), { recursive: true });
      await eventually(() => named.some((name) => name?.startsWith("seen-")), "the watcher sees a name");
      await sleep(10);
      expect(named.filter((name) => !name?.startsWith("seen-"))).toEqual([]);
    } finally {
      watcher.close();
      rmSync(directory, { recursive: true });
    }
  },
);

test.skipIf(!isLinux)("a place that takes no files at all is named in the error", () => {
  // There, both ways fail; the second tells of it.
  vi.stubEnv("TMPDIR", "/proc/self");
  expect(() => new ReportFile()).toThrow(/ENOENT.*\/proc\/self\/lachesis-file-/);
});

test.skipIf(!isLinux)(
  "is read from its beginning as often as it is opened, and can't be written by who opened it so",
  () => {
    using file = new InheritableFile("text");
    for (let time = 0; time < 2; time += 1) {
      const descriptor = file.open();
      try {
        const buffer = Buffer.alloc(10);
        expect(buffer.toString("utf8", 0, readSync(descriptor, buffer))).toBe("text");
        expect(() => writeSync(descriptor, "more")).toThrow(/EBADF/);
      } finally {
        closeSync(descriptor);
      }
    }
  },
);
