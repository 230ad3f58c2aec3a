/** How containers come and go: other images, deaths, cancels, owners that were killed. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Notice } from "../../../backends/backend-context.ts";
import { createBackend } from "../../../backends/index.ts";
import { ownerMark } from "../../../backends/owner-mark.ts";
import type { SandboxBackend, SandboxSpec } from "../../../src/contracts/sandbox.ts";
import {
  containerOf,
  containersWith,
  docker,
  dockerSkipReason,
  dockerTestImage,
  expectNoContainerLeft,
} from "../../support/docker-sandboxes.ts";
import { neverAborted as signal, text } from "../../support/sandbox-contract-context.ts";

const suffix = `t${process.pid}`;
const images = {
  otherFiles: `lachesis-test:files-${suffix}`,
  onlyPython: `lachesis-test:only-python-${suffix}`,
  noInterpreter: `lachesis-test:bare-${suffix}`,
  empty: `lachesis-test:empty-${suffix}`,
};

describe.skipIf(dockerSkipReason !== undefined)(
  `containers${dockerSkipReason === undefined ? "" : ` (skipped: ${dockerSkipReason})`}`,
  () => {
    let backend: SandboxBackend;
    const notices: Notice[] = [];

    beforeAll(() => {
      makeImage(images.otherFiles, "mkdir /task && echo given > /task/file && chmod 600 /task/file");
      makeImage(images.onlyPython, "rm /usr/bin/perl*");
      makeImage(images.noInterpreter, "rm /usr/bin/perl* /usr/bin/python3*");
      spawnSync("sh", ["-c", `tar -c -T /dev/null | docker import - ${images.empty}`]);
    });
    afterAll(() => {
      for (const image of Object.values(images)) spawnSync("docker", ["image", "rm", image]);
    });
    beforeEach(() => {
      notices.length = 0;
      backend = createBackend(
        "docker",
        { image: dockerTestImage, pull: "never" },
        { onNotice: (notice) => notices.push(notice) },
      );
    });
    afterEach(async () => {
      await backend[Symbol.asyncDispose]();
      await expectNoContainerLeft();
    });

    const create = (spec?: SandboxSpec) =>
      backend.create({ rolloutId: "life", signal, ...(spec && { spec }) });
    const exec = { timeoutMs: 30_000, signal };

    test("an item's image and directory: its files are there and can be changed, as the image's own user", async () => {
      await using sandbox = await create({ image: images.otherFiles, workspace: "/task" });
      const { stdout } = await sandbox.exec(
        { shell: "pwd; id -u; cat file; echo more >> file; echo x > /usr/bin/new && wc -l < file" },
        exec,
      );
      expect(text(stdout)).toBe("/task\n0\ngiven\n2\n");
      await using fresh = await create({ image: images.otherFiles, workspace: "/task" });
      expect(text(await fresh.readFile("file", { signal }))).toBe("given\n");
    });

    test("a directory that the image lacks is refused", async () => {
      await expect(create({ workspace: "/no/such" })).rejects.toMatchObject({
        code: "SANDBOX_SPEC_UNSUPPORTED",
        message: expect.stringContaining("/no/such"),
      });
    });

    test("an item's CPUs and memory are the container's", async () => {
      await using sandbox = await create({ cpus: 0.25, memoryMb: 77 });
      const limits = docker(
        "inspect",
        "--format",
        "{{.HostConfig.NanoCpus}} {{.HostConfig.Memory}}",
        containerOf(sandbox),
      );
      expect(limits).toBe(`250000000 ${77 * 1_048_576}`);
    });

    test("where the image has no Perl, its python3 runs the sandbox", async () => {
      await using sandbox = await create({ image: images.onlyPython });
      const { stdout } = await sandbox.exec(
        { shell: "command -v perl; cat; exit 0" },
        { ...exec, stdin: Buffer.from("in") },
      );
      expect(text(stdout)).toBe("in");
    });

    test.each([
      ["neither perl nor python3", images.noInterpreter],
      ["no shell", images.empty],
    ])("an image with %s is unavailable, with what to use instead", async (lack, image) => {
      await expect(create({ image })).rejects.toMatchObject({
        code: "SANDBOX_UNAVAILABLE",
        message: expect.stringContaining(lack),
        hint: expect.stringContaining("python:3.12-slim"),
      });
    });

    test.each([
      ["a name that is none", { image: "No Such Name" }, "invalid reference"],
      ["more CPUs than there are", { cpus: 100_000 }, "CPUs"],
    ])("%s is refused in the daemon's words, not to be tried again", async (_what, spec, words) => {
      await expect(create(spec)).rejects.toMatchObject({
        code: "SANDBOX_UNAVAILABLE",
        message: expect.stringContaining(words),
        retryable: false,
      });
    });

    test("a container that is killed from outside says how it ended", async () => {
      const killed = await create();
      const waiting = killed.exec({ argv: ["sleep", "1000"] }, exec);
      docker("kill", containerOf(killed));
      await expect(waiting).rejects.toMatchObject({
        code: "SANDBOX_DIED",
        message: expect.stringContaining("exit code 137"),
      });
    });

    test("a create that is cancelled at any moment of its start leaves nothing", async () => {
      const reason = new Error("cancelled");
      await Promise.all(
        Array.from({ length: 12 }, async (_, index) => {
          const controller = new AbortController();
          const creating = backend.create({ rolloutId: "cancel", signal: controller.signal });
          const timer = sleep(index * 120).then(() => controller.abort(reason));
          try {
            await (await creating)[Symbol.asyncDispose]();
          } catch (error) {
            expect(error).toBe(reason);
          }
          await timer;
        }),
      );
      await expectNoContainerLeft();
    });

    test("what a killed process left stops by itself and is removed at the next start, and nothing else", async () => {
      await using alive = await create();
      const directory = await mkdtemp(join(tmpdir(), "lachesis-docker-"));
      const script = join(directory, "owner.mjs");
      await writeFile(
        script,
        `import { createBackend } from ${JSON.stringify(resolve("backends/index.ts"))};
         const signal = new AbortController().signal;
         const backend = createBackend("docker", { image: "${dockerTestImage}", pull: "never" });
         const sandboxes = await Promise.all([1, 2].map(() => backend.create({ rolloutId: "doomed", signal })));
         console.log(sandboxes.map(({ id }) => id).join(" "));
         setInterval(() => {}, 1000);`,
      );
      const owner = spawn(process.execPath, [script], { stdio: ["ignore", "pipe", "inherit"] });
      const [ids] = await once(createInterface(owner.stdout), "line");
      const left = String(ids)
        .split(" ")
        .flatMap((id) => containersWith(`lachesis.sandbox=${id}`));
      expect(left).toHaveLength(2);
      owner.kill("SIGKILL");
      await once(owner, "close");
      await rm(directory, { recursive: true });
      for (const container of left) expect(docker("wait", container)).toBe("0");

      await using next = createBackend(
        "docker",
        { image: dockerTestImage, pull: "never" },
        { onNotice: (notice) => notices.push(notice) },
      );
      await using sandbox = await next.create({ rolloutId: "next", signal });
      const present = containersWith("lachesis.owner");
      expect(left.filter((container) => present.includes(container))).toEqual([]);
      expect(present).toEqual(expect.arrayContaining([containerOf(alive), containerOf(sandbox)]));
      expect(notices).toContainEqual({
        level: "info",
        message: expect.stringContaining("2 Docker containers"),
      });
      expect(containersWith(`lachesis.owner=${await ownerMark()}`)).toHaveLength(2);
    });
  },
);

/** The tests' image after a command in it. */
function makeImage(name: string, command: string): void {
  const container = docker("create", "--network", "none", dockerTestImage, "sh", "-c", command);
  docker("start", "--attach", container);
  docker("commit", container, name);
  docker("rm", container);
}
