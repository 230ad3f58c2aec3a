/** What the backend makes of Daytona's service, and of its failures. */
import { afterEach, describe, expect, test } from "vitest";
import type { BackendContext } from "../../backends/backend-context.ts";
import type { PackageImporter } from "../../backends/daytona/daytona-sdk.ts";
import { DaytonaBackend, daytonaConfig } from "../../backends/daytona.ts";
import { ownerMark } from "../../backends/owner-mark.ts";
import type { SandboxSpec } from "../../src/contracts/sandbox.ts";
import { DaytonaServer, type DaytonaServerOptions } from "../support/daytona-server.ts";
import { eventually } from "../support/host-processes.ts";
import { bubblewrapSkipReason } from "../support/local-sandboxes.ts";
import { neverAborted as signal, text } from "../support/sandbox-contract-context.ts";
import { importPackage, missingPackage } from "../support/test-packages.ts";

let opened: AsyncDisposable[] = [];
afterEach(async () => {
  for (const one of opened.toReversed()) await one[Symbol.asyncDispose]();
  opened = [];
});

async function service(options?: DaytonaServerOptions): Promise<DaytonaServer> {
  const server = await DaytonaServer.open(options);
  opened.push(server);
  return server;
}

function backendOn(
  server: Pick<DaytonaServer, "apiUrl">,
  config: Partial<typeof daytonaConfig._input> = {},
  context: BackendContext = {},
  importer: PackageImporter = importPackage,
): DaytonaBackend {
  const parsed = daytonaConfig.parse({ api_key: "key", api_url: server.apiUrl, ...config });
  const backend = new DaytonaBackend(parsed, context, importer);
  opened.push(backend);
  return backend;
}

const create = (backend: DaytonaBackend, spec?: SandboxSpec) =>
  backend.create({ rolloutId: "test", signal, ...(spec && { spec }) });

const nowhere = { apiUrl: "http://127.0.0.1:9/api" };

test("without the SDK the error says what to install", async () => {
  const missing = async () => {
    throw Object.assign(new Error("Cannot find package '@daytona/sdk'"), { code: "ERR_MODULE_NOT_FOUND" });
  };
  await expect(create(backendOn(nowhere, {}, {}, missing))).rejects.toMatchObject({
    code: "SANDBOX_UNAVAILABLE",
    hint: "npm install @daytona/sdk@0.216.0",
  });
  await expect(create(backendOn(nowhere, {}, {}, async () => ({})))).rejects.toMatchObject({
    code: "SANDBOX_UNAVAILABLE",
    message: expect.stringContaining("no class Daytona"),
  });
});

test("without a key nothing is asked", async () => {
  await expect(create(backendOn(nowhere, { api_key: undefined }))).rejects.toMatchObject({
    code: "SANDBOX_UNAVAILABLE",
    hint: expect.stringContaining("DAYTONA_API_KEY"),
  });
});

const skipReason = bubblewrapSkipReason ?? missingPackage("@daytona/sdk") ?? undefined;
const title = skipReason === undefined ? "the service" : `the service (skipped: ${skipReason})`;

describe.skipIf(skipReason !== undefined)(title, () => {
  test("an item's wishes reach Daytona, with our mark and no network", async () => {
    const server = await service();
    await using sandbox = await create(backendOn(server), { image: "debian:12", cpus: 1.5, memoryMb: 1_500 });
    expect(server.live()[0]?.wish).toMatchObject({
      labels: { "lachesis-owner": await ownerMark(), "lachesis-sandbox": sandbox.id },
      buildInfo: { dockerfileContent: expect.stringContaining("FROM debian:12") },
      cpu: 2,
      memory: 2,
      disk: 3,
      autoStopInterval: 15,
      autoDeleteInterval: 0,
      networkBlockAll: true,
    });
  });

  test("a snapshot has its own resources", async () => {
    const server = await service();
    const backend = backendOn(server, { snapshot: "ours", network: true });
    await using sandbox = await create(backend);
    expect(sandbox.workspace).toBe("/tmp/workspace");
    expect(server.live()[0]?.wish).toMatchObject({ snapshot: "ours", networkBlockAll: false });
    expect(server.live()[0]?.wish.memory).toBeUndefined();
    await expect(create(backend, { memoryMb: 4_096 })).rejects.toMatchObject({
      code: "SANDBOX_SPEC_UNSUPPORTED",
    });
  });

  test("an item works in a directory of its image, or is refused where there is none", async () => {
    const server = await service();
    const backend = backendOn(server);
    await using sandbox = await create(backend, { workspace: "/usr/share" });
    const { stdout } = await sandbox.exec({ shell: "pwd; ls -d perl" }, { timeoutMs: 9_000, signal });
    expect(text(stdout)).toBe("/usr/share\nperl\n");
    await expect(create(backend, { workspace: "/no/such" })).rejects.toMatchObject({
      code: "SANDBOX_SPEC_UNSUPPORTED",
      message: expect.stringContaining("/no/such"),
    });
    expect(server.live()).toHaveLength(1);
  });

  test("what a dead process left is deleted at the first use; what others have stays", async () => {
    const server = await service();
    const mark = await ownerMark();
    const kind = { lachesis: "sandbox" };
    const dead = await server.add({ labels: { ...kind, "lachesis-owner": mark.replace(/\.\d+$/, ".1") } });
    await server.add({ labels: { ...kind, "lachesis-owner": mark } });
    await server.add({ labels: { "lachesis-owner": dead.wish.labels["lachesis-owner"] ?? "" } });
    const notices: string[] = [];
    const backend = backendOn(server, {}, { onNotice: ({ message }) => notices.push(message) });
    await (await create(backend))[Symbol.asyncDispose]();
    expect(server.live()).toHaveLength(2);
    expect(dead.state).toBe("destroyed");
    expect(notices).toEqual(["Deleted 1 Daytona sandboxes that a killed process had left."]);
  });

  test.each([
    [{}, { api_key: "wrong" }, "SANDBOX_UNAVAILABLE", "Daytona refused the API key (401)"],
    [{ brokenImage: "python:3.12-slim" }, {}, "SANDBOX_IMAGE_UNAVAILABLE", "failed to pull python:3.12-slim"],
    [{ startMs: 60_000 }, { start_timeout_seconds: 0.5 }, "SANDBOX_START_FAILED", "within 0.5 seconds"],
  ])("%j with %j: %s", async (options, config, code, message) => {
    const server = await service(options);
    await expect(create(backendOn(server, config))).rejects.toMatchObject({
      code,
      message: expect.stringContaining(message),
    });
    await eventually(() => server.live().length === 0, "what failed is deleted");
  });

  test("a create that is cancelled while Daytona is at it rejects at once, and what comes late is deleted", async () => {
    const server = await service({ startMs: 600 });
    const backend = backendOn(server);
    const controller = new AbortController();
    const creating = backend.create({ rolloutId: "test", signal: controller.signal });
    const reason = new Error("cancelled");
    const rejected = expect(creating).rejects.toBe(reason);
    await eventually(() => server.live().length === 1, "Daytona is at it");
    controller.abort(reason);
    await rejected;
    expect(server.live()).toHaveLength(1);
    await backend[Symbol.asyncDispose]();
    expect(server.live()).toEqual([]);
  });

  test("a service that is away", async () => {
    const server = await service();
    await server.stopServing();
    await expect(create(backendOn(server))).rejects.toMatchObject({
      code: "SANDBOX_UNAVAILABLE",
      retryable: true,
      message: expect.stringContaining("does not answer"),
    });
  });

  test("a lost runner is the sandbox's death, with Daytona's reason", async () => {
    const server = await service();
    const sandbox = await create(backendOn(server));
    const running = sandbox.exec({ shell: "sleep 100" }, { timeoutMs: 200_000, signal });
    setTimeout(() => void server.live()[0]?.kill(), 100);
    await expect(running).rejects.toMatchObject({
      code: "SANDBOX_DIED",
      retryable: true,
      message: expect.stringContaining("Daytona says that it is error: runner lost"),
    });
  });

  test("the service gone in the middle is the sandbox's death, and nothing waits for ever", async () => {
    const server = await service();
    const sandbox = await create(backendOn(server));
    const running = sandbox.exec({ shell: "sleep 100" }, { timeoutMs: 200_000, signal });
    setTimeout(() => void server.stopServing(), 100);
    await expect(running).rejects.toMatchObject({ code: "SANDBOX_DIED", retryable: true });
    await sandbox[Symbol.asyncDispose]();
  });

  test("a flood over a slow connection is slow, and Daytona drops nobody for it", async () => {
    const server = await service({ messageMs: 2 });
    await using sandbox = await create(backendOn(server));
    const flood = { shell: "head -c 1500000 /dev/zero" } as const;
    const results = await Promise.all(
      [flood, flood].map((command) =>
        sandbox.exec(command, { timeoutMs: 60_000, signal, outputLimitBytes: 2_000_000 }),
      ),
    );
    expect(results.map(({ stdout }) => stdout.length)).toEqual([1_500_000, 1_500_000]);
  });

  test("a command that writes to the terminal forges nothing: its sandbox dies", async () => {
    const server = await service();
    const sandbox = await create(backendOn(server));
    const writing = sandbox.exec(
      {
        shell: "for terminal in /dev/pts/[0-9]*; do printf 'AAAAAAAAAAAAAAAAAAAA' > $terminal; done; sleep 5",
      },
      { timeoutMs: 20_000, signal },
    );
    await expect(writing).rejects.toMatchObject({
      code: "SANDBOX_DIED",
      message: expect.stringContaining("somebody else wrote to its terminal"),
    });
  });
});
