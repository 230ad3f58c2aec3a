/** What the backend makes of a cluster's jobs, and of its failures. */
import { afterEach, describe, expect, test } from "vitest";
import { NomadBackend, nomadConfig } from "../../backends/nomad.ts";
import { ownerMark } from "../../backends/owner-mark.ts";
import type { Sandbox, SandboxBackend, SandboxSpec } from "../../src/contracts/sandbox.ts";
import { eventually } from "../support/host-processes.ts";
import { bubblewrapSkipReason, isRunning } from "../support/local-sandboxes.ts";
import { NomadServer, type NomadServerOptions } from "../support/nomad-server.ts";
import { markerSeconds, neverAborted as signal, text } from "../support/sandbox-contract-context.ts";

let opened: AsyncDisposable[] = [];
afterEach(async () => {
  for (const one of opened.toReversed()) await one[Symbol.asyncDispose]();
  opened = [];
});

async function cluster(options?: NomadServerOptions): Promise<NomadServer> {
  const server = await NomadServer.open(options);
  opened.push(server);
  return server;
}

function backendOn(
  server: NomadServer,
  config: Partial<typeof nomadConfig._input> = {},
  onNotice?: (notice: { message: string }) => void,
): SandboxBackend {
  const backend = new NomadBackend(
    nomadConfig.parse({ address: server.address, ...config }),
    onNotice === undefined ? {} : { onNotice },
  );
  opened.push(backend);
  return backend;
}

const create = (backend: SandboxBackend, spec?: SandboxSpec): Promise<Sandbox> =>
  backend.create({ rolloutId: "test", signal, ...(spec && { spec }) });
const run = async (sandbox: Sandbox, shell: string): Promise<string> =>
  text((await sandbox.exec({ shell }, { timeoutMs: 20_000, signal })).stdout);

const sleeperJob = (count: number) => ({
  ID: "pool",
  Type: "service",
  TaskGroups: [
    {
      Name: "slots",
      Count: count,
      Tasks: [
        { Name: "box", Driver: "docker", Config: { image: "ours", command: "sleep", args: ["infinity"] } },
      ],
    },
  ],
});

describe.skipIf(bubblewrapSkipReason !== undefined)("jobs of our own", () => {
  test("an item's image and resources reach its job, which says whose it is; a closed sandbox's job is purged", async () => {
    const server = await cluster();
    const backend = backendOn(server, { namespace: "training" });
    const sandbox = await create(backend, { image: "debian:12", cpus: 2, memoryMb: 300 });
    const [id = ""] = server.jobIds();
    expect(id.startsWith(`lachesis-${await ownerMark()}-test-`)).toBe(true);
    expect(server.job(id)?.TaskGroups[0]).toMatchObject({
      Count: 1,
      Tasks: [{ Config: { image: "debian:12" }, Resources: { CPU: 2000, MemoryMB: 300 } }],
    });
    await sandbox[Symbol.asyncDispose]();
    expect(server.jobIds()).toEqual([]);
    expect(server.live()).toEqual([]);
  });

  test("an item that works in a directory of its image gets it as it is, or is refused", async () => {
    const server = await cluster();
    const backend = backendOn(server);
    await using sandbox = await create(backend, { workspace: "/usr/share" });
    expect(await run(sandbox, "pwd; ls -d perl* | head -1")).toMatch(/^\/usr\/share\nperl/);
    await expect(create(backend, { workspace: "/no/such" })).rejects.toMatchObject({
      code: "SANDBOX_SPEC_UNSUPPORTED",
      message: expect.stringContaining("/no/such"),
    });
    await expect(create(backend, { profile: "gpu" })).rejects.toMatchObject({
      code: "SANDBOX_SPEC_UNSUPPORTED",
    });
  });

  test("jobs of a dead process are purged at the first use, those of others stay", async () => {
    const server = await cluster();
    const mark = await ownerMark();
    const dead = mark.replace(/\.\d+$/, ".1");
    for (const id of [`lachesis-${dead}-left`, `lachesis-${mark}-ours`, "lachesis-kept", "somebody-else"]) {
      server.register({ ...sleeperJob(1), ID: id });
    }
    const notices: string[] = [];
    const backend = backendOn(server, {}, ({ message }) => notices.push(message));
    await (await create(backend))[Symbol.asyncDispose]();
    expect(server.jobIds().toSorted()).toEqual([`lachesis-${mark}-ours`, "lachesis-kept", "somebody-else"]);
    expect(notices).toEqual(["Purged 1 Nomad jobs that a killed process had left."]);
  });

  test("without room a sandbox waits for some, and what waits too long says for what", async () => {
    const server = await cluster({ slots: 1 });
    const backend = backendOn(server);
    const first = await create(backend);
    const second = create(backend);
    await eventually(() => server.jobIds().length === 2, "the second job is registered");
    await first[Symbol.asyncDispose]();
    await using sandbox = await second;
    expect(await run(sandbox, "echo in")).toBe("in\n");
    const hasty = backendOn(server, { start_timeout_seconds: 0.3 });
    await expect(create(hasty)).rejects.toMatchObject({
      code: "SANDBOX_START_FAILED",
      retryable: true,
      message: expect.stringContaining("no room for memory (1)"),
    });
    expect(server.jobIds()).toHaveLength(1);
  });

  test("raw_exec has to be asked for twice, and then leaves no process behind", async () => {
    const server = await cluster();
    expect(() => backendOn(server, { driver: "raw_exec" })).toThrow(/no walls/);
    const backend = backendOn(server, { driver: "raw_exec", network: true });
    const sandbox = await create(backend);
    const marker = markerSeconds();
    await run(sandbox, `setsid sleep ${marker} & echo`);
    await eventually(() => isRunning(marker), "the daemon runs");
    await sandbox[Symbol.asyncDispose]();
    await eventually(() => !isRunning(marker), "the daemon is gone");
  });
});

describe.skipIf(bubblewrapSkipReason !== undefined)("failures", () => {
  test.each([
    [{ token: "right" }, { token: "wrong" }, "SANDBOX_UNAVAILABLE", "The ACL token was refused"],
    [{ token: "right" }, {}, "SANDBOX_UNAVAILABLE", "No ACL token was given"],
    [{ images: [] }, {}, "SANDBOX_IMAGE_UNAVAILABLE", "Failed to pull `python:3.12-slim`: not found"],
    [{ drivers: ["exec"] }, {}, "SANDBOX_UNAVAILABLE", "1 were ruled out"],
    [{}, { datacenters: ["mars"] }, "SANDBOX_UNAVAILABLE", "no node is eligible in the datacenters mars"],
    [{}, { job: "nothing" }, "SANDBOX_UNAVAILABLE", 'Nomad has no running job "nothing"'],
  ])("%j with %j: %s", async (options, config, code, message) => {
    const server = await cluster(options);
    await expect(create(backendOn(server, config))).rejects.toMatchObject({
      code,
      message: expect.stringContaining(message),
      hint: expect.stringMatching(/./),
    });
    expect(server.jobIds()).toEqual([]);
  });

  test("a server that is away, or no Nomad at all", async () => {
    const server = await cluster();
    await server.stopServing();
    await expect(create(backendOn(server))).rejects.toMatchObject({
      code: "SANDBOX_UNAVAILABLE",
      retryable: true,
      message: expect.stringMatching(/does not answer: .*ECONNREFUSED/),
    });
  });

  test("a killed allocation's sandbox died, and says of what", async () => {
    const server = await cluster();
    const sandbox = await create(backendOn(server));
    const running = sandbox.exec({ shell: "sleep 100" }, { timeoutMs: 200_000, signal });
    setTimeout(() => void server.live()[0]?.kill(), 100);
    await expect(running).rejects.toMatchObject({
      code: "SANDBOX_DIED",
      retryable: true,
      message: expect.stringMatching(/is failed .*OOM killed/),
    });
  });

  test("a job stopped by an operator too", async () => {
    const server = await cluster();
    const sandbox = await create(backendOn(server));
    const running = sandbox.exec({ shell: "sleep 100" }, { timeoutMs: 200_000, signal });
    setTimeout(() => server.live()[0]?.stop("alloc was stopped by user"), 100);
    await expect(running).rejects.toMatchObject({
      code: "SANDBOX_DIED",
      message: expect.stringContaining("alloc was stopped by user"),
    });
  });

  test("the server gone in the middle is the sandbox's death, and nothing waits for ever", async () => {
    const server = await cluster();
    const sandbox = await create(backendOn(server));
    const running = sandbox.exec({ shell: "sleep 100" }, { timeoutMs: 200_000, signal });
    setTimeout(() => void server.stopServing(), 100);
    await expect(running).rejects.toMatchObject({ code: "SANDBOX_DIED", retryable: true });
    await sandbox[Symbol.asyncDispose]();
  });
});

describe.skipIf(bubblewrapSkipReason !== undefined)("an adopted job", () => {
  const adopt = (server: NomadServer, config: Partial<typeof nomadConfig._input> = {}) =>
    backendOn(server, { job: "pool", idle_seconds: 600, ...config });

  test("is scaled up to the demand; a used allocation makes room for a fresh one; the end scales back", async () => {
    const server = await cluster();
    server.register(sleeperJob(1));
    const backend = adopt(server);
    const sandboxes = await Promise.all([create(backend), create(backend), create(backend)]);
    expect(server.count("pool")).toBe(3);
    const used = server.liveOf("pool").map(({ id }) => id);
    await Promise.all(sandboxes.map((sandbox, index) => run(sandbox, `echo ${index} > /tmp/mine`)));
    for (const sandbox of sandboxes) await sandbox[Symbol.asyncDispose]();
    await using next = await create(backend);
    expect(await run(next, "ls /tmp/mine 2>&1; ls -A")).not.toMatch(/^\/tmp\/mine/);
    expect(server.liveOf("pool").filter(({ id }) => used.includes(id))).toEqual([]);
    await backend[Symbol.asyncDispose]();
    expect(server.count("pool")).toBe(1);
    await eventually(() => server.liveOf("pool").length === 1, "one allocation is left");
    expect(server.jobIds()).toEqual(["pool"]);
  });

  test("is never scaled beyond max_count: who comes too late waits", async () => {
    const server = await cluster();
    server.register(sleeperJob(0));
    const backend = adopt(server, { max_count: 2 });
    const [first, second] = await Promise.all([create(backend), create(backend)]);
    const third = create(backend);
    await first[Symbol.asyncDispose]();
    await using sandbox = await third;
    expect(await run(sandbox, "echo in")).toBe("in\n");
    expect(server.count("pool")).toBe(2);
    await second[Symbol.asyncDispose]();
  });

  test("is scaled down when idle, but not below what is in use, by us or by others", async () => {
    const server = await cluster();
    server.register(sleeperJob(0));
    const patient = adopt(server);
    const idle = adopt(server, { idle_seconds: 0.2 });
    const first = await create(idle);
    const second = await create(patient);
    const third = await create(idle);
    expect(server.count("pool")).toBe(3);
    await first[Symbol.asyncDispose]();
    await third[Symbol.asyncDispose]();
    await eventually(() => server.count("pool") === 2, "scaled down to the index in use");
    expect(await run(second, "echo still there")).toBe("still there\n");
    await second[Symbol.asyncDispose]();
  });

  test("an allocation that a dead process claimed is stopped, and nobody gets it", async () => {
    const server = await cluster();
    server.register(sleeperJob(1));
    await eventually(() => server.live()[0]?.describe().ClientStatus === "running", "it runs");
    const [claimed] = server.live();
    const dead = (await ownerMark()).replace(/\.\d+$/, ".1");
    await claimed?.writeFile(".lachesis-claim/owner", `${dead}-0123`);
    await using sandbox = await create(adopt(server, { max_count: 1 }));
    expect(await run(sandbox, "echo fresh")).toBe("fresh\n");
    expect(claimed?.isOver).toBe(true);
  });

  test("one of raw_exec is refused unless the network it cannot take away is allowed", async () => {
    const server = await cluster();
    const { TaskGroups, ...job } = sleeperJob(1);
    const rawGroups = TaskGroups.map((group) => ({
      ...group,
      Tasks: group.Tasks.map((task) => ({ ...task, Driver: "raw_exec" })),
    }));
    server.register({ ...job, TaskGroups: rawGroups });
    await expect(create(adopt(server))).rejects.toMatchObject({ code: "CONFIG_INVALID" });
    await using sandbox = await create(adopt(server, { network: true }));
    expect(await run(sandbox, "echo trusted")).toBe("trusted\n");
  });

  test("items cannot change what the job says", async () => {
    const server = await cluster();
    server.register(sleeperJob(1));
    await expect(create(adopt(server), { image: "other" })).rejects.toMatchObject({
      code: "SANDBOX_SPEC_UNSUPPORTED",
    });
  });
});
