import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { CommanderError } from "commander";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { environments } from "../../environments/index.ts";
import { environmentProgram } from "../../src/cli/environment-program.ts";
import { exitCodeOf } from "../../src/cli/exit-codes.ts";
import { pickClass } from "../../src/cli/find-environment.ts";
import { readProcessEnvironment } from "../../src/cli/process-environment.ts";
import { saveConfig } from "../../src/cli/run-directory.ts";
import { LachesisError } from "../../src/contracts/errors.ts";
import { ConfigEnv, configEnv } from "./config-env.ts";
import { memoryIo } from "./memory-io.ts";

/** What the command says and throws, without running anything. */
async function command(...argv: string[]) {
  const io = memoryIo();
  const program = environmentProgram({
    io,
    environments: [...environments, configEnv],
    onExitCode: () => undefined,
  });
  try {
    await program.parseAsync(argv, { from: "user" });
    return { ...io.read(), code: 0, message: "", hint: "" };
  } catch (error) {
    const code = exitCodeOf(error);
    if (error instanceof CommanderError) return { ...io.read(), code, message: error.message, hint: "" };
    if (!(error instanceof LachesisError)) throw error;
    return { ...io.read(), code, message: `${error.code}: ${error.message}`, hint: error.hint ?? "" };
  }
}

describe("environment", () => {
  test("list shows names and descriptions", async () => {
    const { stdout } = await command("list");
    const lines = stdout.trimEnd().split("\n");
    expect(lines).toHaveLength(environments.length + 1);
    expect(stdout).toMatch(
      /^gsm8k-agent {2,}Grade-school maths word problems \(GSM8K\), solved with a Python session\.$/m,
    );
    expect(lines.at(-1)).toMatch(/^config-env {2,}Is configured, never played\.$/);
    const column = (line: string) => line.search(/ {2,}(?=\S)/) + (/ {2,}(?=\S)/.exec(line)?.[0].length ?? 0);
    expect(new Set(lines.map(column)).size).toBe(1);
  });

  test.each([
    [["process"], "USAGE_INVALID: process: expected the name or file of an environment.", "gsm8k-agent"],
    [
      ["process", "gsm8k-agnet"],
      'ENVIRONMENT_UNKNOWN: No environment is registered as "gsm8k-agnet".',
      "Did you mean gsm8k-agent?",
    ],
    [["process", "GSM8K_agent"], "ENVIRONMENT_UNKNOWN", "Did you mean gsm8k-agent?"],
    [
      ["process", "./no/such.ts"],
      "ENVIRONMENT_UNKNOWN: There is no environment file at ./no/such.ts.",
      "Looked in /",
    ],
    [
      ["process", "gsm8k-agent", "other"],
      "USAGE_INVALID: process: expected one environment, got also other.",
      "Quote",
    ],
    [
      ["process", "gsm8k-agent", "--runs-dir", "x"],
      "USAGE_INVALID: Unknown option --runs-dir.",
      "Did you mean --run-dir?",
    ],
    [
      ["process", "gsm8k-agent", "--group_size=4"],
      "USAGE_INVALID: Unknown option --group_size.",
      "--env.group_size",
    ],
    [
      ["process", "gsm8k-agent", "--env", "group_size=4"],
      "USAGE_INVALID: Unknown option --env.",
      "Configuration keys are written --env.<key>",
    ],
    [
      ["process", "gsm8k-agent", "--config", "none.yaml"],
      "CONFIG_FILE_INVALID: Can't read the config file none.yaml",
      "YAML",
    ],
    [
      ["process", "gsm8k-agent", "--env.groupsize", "4"],
      "--env.groupsize: unknown key; did you mean group_size?",
      "--help",
    ],
    [
      ["process", "--env.group_size", "0", "gsm8k-agent"],
      "--env.group_size: expected integer >= 1, got 0",
      "--help",
    ],
  ])("%j is refused with exit code 2", async (argv, message, hint) => {
    const result = await command(...argv);
    expect(result.message).toContain(message);
    expect(result.hint).toContain(hint);
    expect(result.code).toBe(2);
  });

  test.each([[["prosess"]], [[]], [["list", "x"]], [["process", "--log-level", "loud", "gsm8k-agent"]]])(
    "%j prints how to use it and exits with 2",
    async (argv) => {
      const { code, stderr } = await command(...argv);
      expect(code).toBe(2);
      expect(stderr).toMatch(/--help|Usage/);
    },
  );

  test.each([
    [["--help"], "practice" /* mounted by the bin */, false],
    [["process", "--help"], "--config <file>", true],
    [["process", "config-env", "--help"], "--env.difficulty", true],
    [["--help"], "evaluate <env>", true],
    [["--version"], "0.", true],
  ])("%j exits with 0", async (argv, text, isThere) => {
    const { code, stdout } = await command(...argv);
    expect(code).toBe(0);
    expect(stdout.includes(text)).toBe(isThere);
  });
});

describe("places that can't be written to", () => {
  let place = "";
  beforeEach(async () => {
    place = await mkdtemp(join(tmpdir(), "lachesis-place-"));
    await writeFile(join(place, "file"), "");
  });
  afterEach(() => rm(place, { recursive: true, force: true }));

  test.each([
    ["the run directory", ["--run-dir", "PLACE/file/run"], "--run-dir"],
    [
      "groups",
      ["--run-dir=PLACE/run", "--env.data_path_to_save_groups=PLACE/file/g.jsonl"],
      "data_path_to_save_groups",
    ],
    [
      "evaluations",
      ["--run-dir=PLACE/run", "--env.data_dir_to_save_evals=PLACE/file/evals"],
      "data_dir_to_save_evals",
    ],
  ])("%s below a file: a coded error before any work", async (_name, flags, what) => {
    const argv = flags.map((flag) => flag.replace("PLACE", place));
    const { code, message, stdout, stderr } = await command("process", "config-env", ...argv);
    expect(message).toMatch(new RegExp(`^OUTPUT_UNWRITABLE: .*${what}`));
    expect([code, stdout, stderr]).toEqual([1, "", ""]);
  });

  test("a configuration that can't be saved, as on a full disk", async () => {
    await mkdir(join(place, "config.yaml"));
    const saving = saveConfig(place, { env: {}, servers: [{}] });
    await expect(saving).rejects.toMatchObject({ code: "OUTPUT_UNWRITABLE" });
  });

  test("a run directory with files in it is not written over", async () => {
    const { code, message } = await command("process", "config-env", "--run-dir", place);
    expect([code, message]).toEqual([1, expect.stringContaining("expected a new or empty directory")]);
    expect(await readdir(place)).toEqual(["file"]);
  });
});

describe("pickClass", () => {
  class Other extends ConfigEnv {
    static override readonly envName = "other";
  }

  test("takes the default export, else the only class", () => {
    expect(pickClass({ default: Other, ConfigEnv }, "f.ts")).toBe(Other);
    expect(pickClass({ ConfigEnv, helper: () => 1, number: 3 }, "f.ts")).toBe(ConfigEnv);
    expect(pickClass({ ConfigEnv, Again: ConfigEnv }, "f.ts")).toBe(ConfigEnv);
  });

  test.each([
    ["nothing", {}, "got exports nothing"],
    ["no class", { helper: 1 }, "got exports helper"],
    ["two classes", { ConfigEnv, Other }, "got 2 classes (config-env, other)"],
  ])("refuses a file with %s", (_name, exports, message) => {
    expect(() => pickClass(exports, "f.ts")).toThrow(message);
  });
});

test.each([
  [{ XDG_CACHE_HOME: "/x" }, "/x/lachesis"],
  [{ XDG_CACHE_HOME: "/x", LACHESIS_CACHE: "/l" }, "/l"],
  [{ XDG_CACHE_HOME: "" }, join(homedir(), ".cache/lachesis")],
])("the cache under %j is %s", (environment, cacheDirectory) => {
  expect(readProcessEnvironment(environment).cacheDirectory).toBe(cacheDirectory);
});
