/** Machines that lack something: the error must say what, and how to go on. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync } from "node:fs";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { createBackend } from "../../../backends/index.ts";
import { isMapped } from "../../../backends/local/can-become.ts";
import { eventually, findByCommand, listOrphanedSandboxes } from "../../support/host-processes.ts";
import { bubblewrapSkipReason, listCgroups } from "../../support/local-sandboxes.ts";

const signal = new AbortController().signal;
let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "lachesis-test-"));
  await chmod(directory, 0o755);
});
afterAll(async () => {
  await rm(directory, { recursive: true });
});

async function fakeProgram(name: string, script: string): Promise<string> {
  const path = join(directory, name);
  await writeFile(path, `#!/bin/sh\n${script}\n`);
  await chmod(path, 0o755);
  return path;
}

test("a missing bubblewrap is an error that says how to install it and how to do without", async () => {
  await using backend = createBackend("local", { bwrap_path: "/no/such/bwrap" });
  await expect(backend.check({ signal })).rejects.toMatchObject({
    code: "SANDBOX_UNAVAILABLE",
    message: expect.stringContaining("/no/such/bwrap"),
    hint: expect.stringMatching(/apt-get install bubblewrap.*--env\.terminal_isolation none/s),
  });
});

test("forbidden user namespaces are reported in bubblewrap's own words", async () => {
  const bwrap_path = await fakeProgram(
    "forbidden",
    `[ "$1" = --help ] && { echo '--size BYTES --disable-userns --ro-bind-fd'; exit; }
     echo 'bwrap: No permissions to create a new namespace' >&2; exit 1`,
  );
  await using backend = createBackend("local", { bwrap_path });
  await expect(backend.check({ signal })).rejects.toMatchObject({
    code: "SANDBOX_UNAVAILABLE",
    message: expect.stringContaining("No permissions to create a new namespace"),
  });
});

test("a bubblewrap without sized file systems is too old", async () => {
  const bwrap_path = await fakeProgram("old", "echo '--tmpfs DEST'");
  await using backend = createBackend("local", { bwrap_path });
  await expect(backend.check({ signal })).rejects.toMatchObject({ message: expect.stringContaining("0.7") });
});

test.each(["bubblewrap", "none"])(
  "without a Python that works, isolation %s is unavailable",
  async (isolation) => {
    const python_path = await fakeProgram("broken-python", "echo 'no stdlib' >&2; exit 1");
    await using backend = createBackend("local", { isolation, python_path });
    await expect(backend.check({ signal })).rejects.toMatchObject({
      code: "SANDBOX_UNAVAILABLE",
      hint: expect.stringContaining("python3"),
    });
  },
);

const loneRoot = ["unshare", "--user", "--map-root-user", "--"] as const;
const hasLoneRoot = spawnSync(loneRoot[0], [...loneRoot.slice(1), "true"]).status === 0;
test.skipIf(bubblewrapSkipReason !== undefined || !hasLoneRoot)(
  "a root that is the only user there is, as in a rootless container, gets sandboxes",
  async () => {
    const script = `
      import { createBackend } from ${JSON.stringify(resolve(import.meta.dirname, "../../../backends/index.ts"))};
      const signal = AbortSignal.timeout(30_000);
      await using backend = createBackend("local", {});
      await using sandbox = await backend.create({ rolloutId: "lone", signal });
      const { stdout } = await sandbox.exec({ argv: ["id", "-un"] }, { timeoutMs: 20_000, signal });
      process.stdout.write(stdout);`;
    const [unshare, ...flags] = loneRoot;
    const inside = [...flags, process.execPath, "--input-type=module-typescript", "--eval", script];
    const { stdout, stderr } = spawnSync(unshare, inside, { encoding: "utf8" });
    expect([stdout, stderr]).toEqual(["sandbox\n", ""]);
  },
);

test.each([
  ["         0          0 4294967295\n", 20_001, true],
  ["0 65534 1\n", 20_001, false],
  ["0 65534 1\n", 0, true],
  ["0 1000 1\n1 100000 65536\n", 20_001, true],
  ["0 1000 1\n1 100000 65536\n", 65_537, false],
])("in a user namespace with the map %j, the id %i is mapped: %s", (map, id, expected) => {
  expect(isMapped(map, id)).toBe(expected);
});

const foreignPython = join(homedir(), ".pyenv/shims/python3");
test.skipIf(bubblewrapSkipReason !== undefined || !existsSync(foreignPython))(
  "a Python in a home directory works inside, also as a user who cannot enter that directory",
  async () => {
    await using backend = createBackend("local", { python_path: foreignPython });
    await using sandbox = await backend.create({ rolloutId: "python", signal });
    const result = await sandbox.exec(
      { argv: ["python3", "-c", "import json, sqlite3, sys; print(sys.prefix)"] },
      { timeoutMs: 20_000, signal },
    );
    expect(Buffer.from(result.stderr).toString()).toBe("");
    expect(Buffer.from(result.stdout).toString()).toContain(".pyenv/versions");
    const listing = await sandbox.exec({ shell: `ls -A ${homedir()}` }, { timeoutMs: 20_000, signal });
    expect(Buffer.from(listing.stdout).toString()).toBe(".pyenv\n");
  },
);

test.each(["bubblewrap", "none"])("kill -9 of the host leaves nothing of isolation %s", async (isolation) => {
  if (isolation === "bubblewrap" && bubblewrapSkipReason !== undefined) return;
  const marker = `${20_000 + (process.pid % 40_000)}.7${isolation.length}`;
  const script = join(directory, `host-${isolation}.mjs`);
  await writeFile(
    script,
    `import { createBackend } from ${JSON.stringify(resolve("backends/index.ts"))};
     const signal = new AbortController().signal;
     const backend = createBackend("local", { isolation: "${isolation}" });
     const sandboxes = await Promise.all([1, 2, 3].map(() => backend.create({ rolloutId: "doomed", signal })));
     await Promise.all(sandboxes.map((sandbox) =>
       sandbox.exec({ shell: "setsid sleep ${marker} & echo started" }, { timeoutMs: 9000, signal })));
     console.log("ready");
     for (;;) await backend.create({ rolloutId: "more", signal }).then((sandbox) => sandbox[Symbol.asyncDispose]());`,
  );
  const host = spawn(process.execPath, [script], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, TMPDIR: directory },
  });
  await once(createInterface(host.stdout), "line");
  expect(findByCommand(`sleep ${marker}`)).toHaveLength(3);
  host.kill("SIGKILL");
  await eventually(() => findByCommand(`sleep ${marker}`).length === 0, "the commands are gone");
  await eventually(() => listOrphanedSandboxes().length === 0, "the sandboxes are gone");

  // What cannot vanish by itself (an empty directory, an empty control group) goes at the next use.
  const stale = async () => [
    ...readdirSync(directory).filter((name) => name.startsWith("lachesis-plain-")),
    ...(await listCgroups()).filter((name) => name.includes(`.${host.pid}.`)),
  ];
  vi.stubEnv("TMPDIR", directory);
  await using next = createBackend("local", { isolation });
  await next.check({ signal });
  vi.unstubAllEnvs();
  expect(await stale()).toEqual([]);
});
