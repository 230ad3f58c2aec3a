import { afterAll, beforeAll, expect } from "vitest";
import { NomadBackend, nomadConfig } from "../../backends/nomad.ts";
import type { Sandbox } from "../../src/contracts/sandbox.ts";
import { eventually } from "../support/host-processes.ts";
import { bubblewrapSkipReason, isRunning } from "../support/local-sandboxes.ts";
import { NomadServer } from "../support/nomad-server.ts";
import { describeSandboxContract } from "../support/sandbox-contract.ts";

let server: NomadServer;
beforeAll(async () => {
  server = await NomadServer.open();
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
});

describeSandboxContract("nomad on a loopback server, driver docker", {
  createBackend: () => new NomadBackend(nomadConfig.parse({ address: server.address })),
  skipReason: bubblewrapSkipReason,
  killFromOutside: (sandbox: Sandbox) =>
    server
      .live()
      .find(({ jobId }) => jobId.endsWith(sandbox.id))
      ?.kill(),
  isRunning,
  // The full sizes pass too, in a minute and a half.
  sizes: process.env.LACHESIS_LONG_TESTS ? {} : { outputBytes: 20_000_000, fileBytes: 10_000_000 },
  expectNothingLeft: async () => {
    await eventually(() => server.live().length === 0, "no allocation runs");
    expect(server.jobIds()).toEqual([]);
  },
});
