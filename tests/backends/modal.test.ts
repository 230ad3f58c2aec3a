/** The contract suite through Modal's unmodified SDK, against a loopback server with real processes. */
import { afterAll } from "vitest";
import { createBackend } from "../../backends/index.ts";
import { bubblewrapSkipReason, isRunning } from "../support/local-sandboxes.ts";
import { credentials, expectNoModalSandboxLeft, startModalServer } from "../support/modal/modal-sandboxes.ts";
import { describeSandboxContract } from "../support/sandbox-contract.ts";

const server = await startModalServer();
afterAll(() => server[Symbol.asyncDispose]());

describeSandboxContract("modal", {
  createBackend: () => createBackend("modal", credentials),
  skipReason: bubblewrapSkipReason,
  killFromOutside: ({ id }) => server.terminate(id),
  isRunning,
  expectNothingLeft: () => expectNoModalSandboxLeft(server),
  sizes: { outputBytes: 8_000_000, fileBytes: 8_000_000, sandboxesAtOnce: 12 },
});
