import { afterAll, beforeAll } from "vitest";
import { DaytonaBackend, daytonaConfig } from "../../backends/daytona.ts";
import type { Sandbox } from "../../src/contracts/sandbox.ts";
import { DaytonaServer } from "../support/daytona-server.ts";
import { eventually } from "../support/host-processes.ts";
import { bubblewrapSkipReason, isRunning } from "../support/local-sandboxes.ts";
import { describeSandboxContract } from "../support/sandbox-contract.ts";
import { importPackage, missingPackage } from "../support/test-packages.ts";

let server: DaytonaServer;
beforeAll(async () => {
  server = await DaytonaServer.open();
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
});

describeSandboxContract("daytona's SDK on a loopback server", {
  createBackend: () =>
    new DaytonaBackend(daytonaConfig.parse({ api_key: "key", api_url: server.apiUrl }), {}, importPackage),
  skipReason: bubblewrapSkipReason ?? missingPackage("@daytona/sdk") ?? undefined,
  killFromOutside: (sandbox: Sandbox) =>
    server
      .live()
      .find(({ wish }) => wish.labels["lachesis-sandbox"] === sandbox.id)
      ?.kill(),
  isRunning,
  // The full sizes pass too, in a minute and a half.
  sizes: process.env.LACHESIS_LONG_TESTS ? {} : { outputBytes: 20_000_000, fileBytes: 10_000_000 },
  expectNothingLeft: () => eventually(() => server.live().length === 0, "no sandbox is left"),
});
