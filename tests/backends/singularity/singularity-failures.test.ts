import { spawn } from "node:child_process";
import { chmodSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import type { Notice } from "../../../backends/backend-context.ts";
import { ownerMark } from "../../../backends/owner-mark.ts";
import { containerCommand } from "../../../backends/singularity/container-command.ts";
import { findProgram } from "../../../backends/singularity/find-program.ts";
import { SingularityBackend, singularityConfig } from "../../../backends/singularity.ts";
import type { Sandbox, SandboxSpec } from "../../../src/contracts/sandbox.ts";
import { FakeApptainer } from "../../support/fake-apptainer.ts";
import { eventually } from "../../support/host-processes.ts";
import { bubblewrapSkipReason } from "../../support/local-sandboxes.ts";
import { neverAborted as signal, text } from "../../support/sandbox-contract-context.ts";

test("the command line lets nothing of the host in, and only what is asked for is added", () => {
  const common = {
    program: "apptainer",
    image: "/images/a.sif",
    workspace: "/workspace",
    env: { MARK: "a b" },
    command: ["sh", "-c", "x"] as [string, ...string[]],
  };
  const closed = containerCommand({ ...common, workspaceSource: "/host/w", shareNetwork: false });
  expect(closed.join(" ")).toBe(
    "apptainer exec --containall --cleanenv --no-home --no-privs --net --network none --writable-tmpfs " +
      "--bind /host/w:/workspace --pwd /workspace --env MARK=a b /images/a.sif sh -c x",
  );
  const open = containerCommand({ ...common, shareNetwork: true });
  expect(open.join(" ")).toBe(
    "apptainer exec --containall --cleanenv --no-home --no-privs --writable-tmpfs " +
      "--pwd /workspace --env MARK=a b /images/a.sif sh -c x",
  );
});

describe("finding the program", async () => {
  const fake = await FakeApptainer.make();
  afterAll(() => fake[Symbol.asyncDispose]());
  const program = (name: string, says: string) => {
    const path = join(fake.programs, name);
    writeFileSync(path, `#!/bin/sh\n${says}\n`);
    chmodSync(path, 0o755);
    return path;
  };

  test.each(["apptainer version 1.3.4-1.el9", "singularity version 3.8.7", "singularity-ce version 4.1.0"])(
    "%s is one",
    async (version) => {
      const path = program("one", `echo '${version}'`);
      expect(await findProgram(path, signal)).toBe(path);
    },
  );

  test("the game of the same name is none, and neither is a missing program", async () => {
    const game = program("game", "echo 'Endgame: Singularity 1.00'");
    await expect(findProgram(game, signal)).rejects.toMatchObject({
      code: "SANDBOX_UNAVAILABLE",
      message: expect.stringContaining("Endgame"),
    });
    await expect(findProgram("no-such-apptainer", signal)).rejects.toMatchObject({
      code: "SANDBOX_UNAVAILABLE",
      message: expect.stringContaining("no-such-apptainer"),
    });
  });

  test("without a path, apptainer is looked for on PATH", async () => {
    const before = process.env.PATH;
    process.env.PATH = `${fake.programs}:${before}`;
    try {
      expect(await findProgram(undefined, signal)).toBe(fake.program);
    } finally {
      process.env.PATH = before;
    }
  });
});

describe.skipIf(bubblewrapSkipReason !== undefined)("containers", async () => {
  const fake = await FakeApptainer.make();
  afterAll(() => fake[Symbol.asyncDispose]());
  const open = (more: Record<string, unknown> = {}, notices: Notice[] = []) =>
    new SingularityBackend(singularityConfig.parse({ ...fake.config, ...more }), {
      onNotice: (notice) => notices.push(notice),
    });
  const run = async (sandbox: Sandbox, shell: string) =>
    text((await sandbox.exec({ shell }, { timeoutMs: 20_000, signal })).stdout);
  const play = async (backend: SingularityBackend, spec: SandboxSpec, shell: string) => {
    await using sandbox = await backend.create({ rolloutId: "spec", signal, spec });
    return await run(sandbox, shell);
  };

  test("an item's image, directory and network are what it gets", async () => {
    await using backend = open();
    expect(await play(backend, {}, "cat /image")).toBe("fake-sif docker://python:3.12-slim\n");
    expect(await play(backend, { image: "debian:12" }, "cat /image; echo $OF_IMAGE")).toBe(
      "fake-sif docker://debian:12\nyes\n",
    );
    const unpacked = join(fake.cache, "unpacked");
    mkdirSync(unpacked, { recursive: true });
    writeFileSync(join(unpacked, "name"), "fake-sif unpacked\n");
    expect(
      await play(backend, { image: unpacked, workspace: "/app" }, "cat /image; echo x > new; pwd; ls"),
    ).toBe("fake-sif unpacked\n/app\nnew\n");
    const interfaces = "tail -n +3 /proc/net/dev | wc -l";
    expect(Number(await play(backend, { network: false }, interfaces))).toBe(1);
    expect(Number(await play(backend, { network: true }, interfaces))).toBeGreaterThan(1);
    await fake.expectNothingLeft();
  });

  test("the program's variables do not come from us: no binds by APPTAINER_BIND", async () => {
    process.env.APPTAINER_BIND = "/etc";
    await using backend = open();
    const seen = await play(backend, {}, "env; cat /proc/1/environ");
    delete process.env.APPTAINER_BIND;
    expect(seen).not.toContain("APPTAINER_BIND");
  });

  test("a container that does not start says why, and leaves nothing", async () => {
    const broken = join(fake.cache, "broken.sif");
    mkdirSync(fake.cache, { recursive: true });
    writeFileSync(broken, "no image");
    await using backend = open({ image: broken });
    await expect(backend.check({ signal })).rejects.toMatchObject({
      code: "SANDBOX_START_FAILED",
      message: expect.stringContaining("could not open image"),
    });
    await fake.expectNothingLeft();
  });

  test("a memory limit holds for every process", async () => {
    await using backend = open({ memory_mb: 64 });
    const sandbox = await backend.create({ rolloutId: "memory", signal });
    const result = await sandbox.exec(
      { shell: "python3 -I -S -B -c 'b = bytearray(10**9)' 2>&1" },
      { timeoutMs: 20_000, signal },
    );
    expect([result.exitCode, text(result.stdout)]).toEqual([1, expect.stringContaining("MemoryError")]);
  });

  test("what dead processes left is ended and removed at the first use, others' is left alone", async () => {
    const mine = await ownerMark();
    const dead = mine.replace(/\.\d+\.\d+$/, ".999999.1");
    const make = (mark: string, name: string) => {
      const directory = join(fake.base, `lachesis-singularity-${mark}-${name}`);
      mkdirSync(join(directory, "workspace", "locked"), { recursive: true });
      chmodSync(join(directory, "workspace", "locked"), 0o500);
      return directory;
    };
    const [old, own] = [make(dead, "1a"), make(mine, "2b")];
    const [oldDaemon, ownDaemon] = [old, own].map((directory) =>
      spawn("sleep", ["999"], { env: { LACHESIS_SANDBOX: basename(directory) }, stdio: "ignore" }),
    );
    const notices: Notice[] = [];
    await using backend = open({}, notices);
    await backend.check({ signal });
    expect(readdirSync(fake.base)).toEqual([basename(own)]);
    await eventually(() => oldDaemon?.signalCode === "SIGKILL", "the old daemon is dead");
    expect(ownDaemon?.signalCode).toBe(null);
    expect(notices[0]?.message).toContain("1 container");
    ownDaemon?.kill("SIGKILL");
  });
});
