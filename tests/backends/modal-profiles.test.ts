/** What sandboxes on Modal are asked to be: configuration, profiles, an item's own wishes. */
import { afterAll, afterEach, describe, expect, test } from "vitest";
import { createBackend } from "../../backends/index.ts";
import type { Sandbox, SandboxSpec } from "../../src/contracts/sandbox.ts";
import { bubblewrapSkipReason } from "../support/local-sandboxes.ts";
import { credentials, expectNoModalSandboxLeft, startModalServer } from "../support/modal/modal-sandboxes.ts";

const signal = new AbortController().signal;
const server = await startModalServer();
server.secrets.set("hub", { HF_TOKEN: "hf-of-the-team" });
server.secrets.set("registry", { REGISTRY_USERNAME: "u", REGISTRY_PASSWORD: "p" });

const backend = createBackend("modal", {
  ...credentials,
  image: "python:3.12-slim",
  memory_mb: 512,
  profiles: {
    gpu: { image: "nvidia/cuda:12.8.1-runtime-ubuntu24.04", gpu: "h100:2", cpu: 8, memory_mb: 65_536 },
    hub: { secrets: ["hub"], env_vars: { HF_HOME: "/workspace/hub" }, network: true, regions: ["us-east"] },
    brief: { timeout: 60, idle_timeout: 30 },
    private: { image: "example.test/team/image:1", registry_secret_name: "registry" },
    broken: { secrets: ["no-such-secret"] },
  },
});

afterEach(() => expectNoModalSandboxLeft(server));
afterAll(async () => {
  await backend[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

async function open(spec?: SandboxSpec) {
  const sandbox = await backend.create({
    rolloutId: "profiles",
    signal,
    ...(spec === undefined ? {} : { spec }),
  });
  const remote = server.sandboxes.get(sandbox.id);
  if (remote === undefined) throw new Error(`the server knows no ${sandbox.id}`);
  const { imageId, resources, networkAccess, timeoutSecs, idleTimeoutSecs, schedulerPlacement } =
    remote.definition;
  const asked = {
    image: server.images.get(imageId),
    cores: resources.milliCpu / 1_000,
    memory: [resources.memoryMb, resources.memoryMbMax],
    gpu: `${resources.gpuConfig.gpuType} x${resources.gpuConfig.count}`,
    isOffline: networkAccess.networkAccessType === 2,
    timeouts: [timeoutSecs, idleTimeoutSecs],
    regions: schedulerPlacement?.regions ?? [],
  };
  return { sandbox, asked, [Symbol.asyncDispose]: () => sandbox[Symbol.asyncDispose]() };
}

async function output(sandbox: Sandbox, shell: string): Promise<string> {
  const result = await sandbox.exec({ shell }, { timeoutMs: 20_000, signal });
  return Buffer.from(result.stdout).toString();
}

type Asked = Awaited<ReturnType<typeof open>>["asked"];
const plain: Asked = {
  image: "FROM python:3.12-slim",
  cores: 0,
  memory: [512, 512],
  gpu: " x0",
  isOffline: true,
  timeouts: [3600, 0],
  regions: [],
};

const skipped = bubblewrapSkipReason === undefined ? "" : ` (skipped: ${bubblewrapSkipReason})`;
describe.skipIf(bubblewrapSkipReason !== undefined)(`profiles on Modal${skipped}`, () => {
  test.each<[string, SandboxSpec | undefined, Partial<Asked>]>([
    ["nothing: as configured", undefined, {}],
    [
      "an image, cores and memory",
      { image: "debian:12", cpus: 0.5, memoryMb: 256 },
      { image: "FROM debian:12", cores: 0.5, memory: [256, 256] },
    ],
    ["the network", { network: true }, { isOffline: false }],
    [
      "a profile with a GPU",
      { profile: "gpu" },
      {
        image: "FROM nvidia/cuda:12.8.1-runtime-ubuntu24.04",
        gpu: "H100 x2",
        cores: 8,
        memory: [65_536, 65_536],
      },
    ],
    [
      "a profile, and more memory than it has",
      { profile: "brief", memoryMb: 1024 },
      { timeouts: [60, 30], memory: [1024, 1024] },
    ],
    ["a profile with a network, without it", { profile: "hub", network: false }, { regions: ["us-east"] }],
    ["a private image", { profile: "private" }, { image: "FROM example.test/team/image:1" }],
  ])("an item asks for %s", async (_what, spec, differences) => {
    await using opened = await open(spec);
    expect(opened.asked).toEqual({ ...plain, ...differences });
    expect(await output(opened.sandbox, "echo works")).toBe("works\n");
  });

  test("rollouts of several profiles live side by side, each with its secrets and variables only", async () => {
    const [first, second, third] = await Promise.all([
      open({ profile: "hub" }),
      open(),
      open({ profile: "gpu" }),
    ]);
    const question = "echo $HF_TOKEN,$HF_HOME; echo $0 > mine; cat mine | wc -l; ls";
    const answers = await Promise.all([first, second, third].map(({ sandbox }) => output(sandbox, question)));
    expect(answers).toEqual(["hf-of-the-team,/workspace/hub\n1\nmine\n", ",\n1\nmine\n", ",\n1\nmine\n"]);
    await Promise.all([first, second, third].map((opened) => opened[Symbol.asyncDispose]()));
  });

  test("an image is asked for once, however many rollouts use it", async () => {
    const before = server.calls.get("ImageGetOrCreate") ?? 0;
    const spec = { image: "alpine:3.20" };
    const all = await Promise.all([open(spec), open(spec), open(spec)]);
    expect(server.calls.get("ImageGetOrCreate")).toBe(before + 1);
    await Promise.all(all.map((opened) => opened[Symbol.asyncDispose]()));
  });

  test("a profile that is not configured is refused with those that are", async () => {
    await expect(open({ profile: "cpu" })).rejects.toMatchObject({
      code: "SANDBOX_SPEC_UNSUPPORTED",
      message: expect.stringContaining('"cpu"'),
      hint: expect.stringContaining("gpu, hub, brief, private, broken"),
    });
  });

  test("a Secret that does not exist is named, and nothing is made", async () => {
    await expect(open({ profile: "broken" })).rejects.toMatchObject({
      code: "SANDBOX_UNAVAILABLE",
      message: expect.stringContaining("no-such-secret"),
    });
  });

  test("an item works in a directory of its image, which must be there", async () => {
    await using opened = await open({ workspace: "/image-workspace" });
    expect(opened.sandbox.workspace).toBe("/image-workspace");
    expect(await output(opened.sandbox, "pwd")).toBe("/image-workspace\n");
    await expect(open({ workspace: "/testbed" })).rejects.toMatchObject({
      code: "SANDBOX_START_FAILED",
      message: expect.stringContaining("no directory /testbed"),
    });
  });

  test("a fork is of the same kind", async () => {
    await using opened = await open({ profile: "hub" });
    await opened.sandbox.writeFile("file", Buffer.from("kept"), { signal });
    const forked = await opened.sandbox.fork?.({ signal });
    if (forked === undefined) throw new Error("no fork");
    expect(await output(forked, "cat file; echo $HF_TOKEN")).toBe("kepthf-of-the-team\n");
    await forked[Symbol.asyncDispose]();
  });
});

test.each([
  [{ profiles: { gpu: { gpus: 2 } } }, "gpus"],
  [{ timeout: 90_000 }, "timeout"],
  [{ env_vars: { "A-B": "x" } }, "A-B"],
])("the settings %j are refused", (config, named) => {
  expect(() => createBackend("modal", config)).toThrow(
    expect.objectContaining({ code: "CONFIG_INVALID", message: expect.stringContaining(named) }),
  );
});
