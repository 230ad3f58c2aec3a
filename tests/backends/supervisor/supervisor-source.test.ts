import { spawnSync } from "node:child_process";
import { expect, test } from "vitest";
import {
  readableSupervisorSource,
  supervisorSource,
} from "../../../backends/supervisor/supervisor-source.ts";

const hasPerl = spawnSync("perl", ["-e", "1"]).status === 0;
const compile = (source: string) =>
  spawnSync("perl", ["-c", "-"], { input: source, encoding: "utf8" }).stderr;

test.skipIf(!hasPerl)("what is sent compiles, also under the pragma that it leaves out", () => {
  expect(compile(`use strict;\n${supervisorSource}`)).toBe("- syntax OK\n");
  expect(compile(readableSupervisorSource)).toBe("- syntax OK\n");
  expect(supervisorSource).not.toMatch(/^(\s|#|use )/m);
});
