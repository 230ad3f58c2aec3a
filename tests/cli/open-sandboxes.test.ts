import { expect, test } from "vitest";
import { LocalBackend } from "../../backends/local.ts";
import { SandboxPool } from "../../backends/sandbox-pool.ts";
import { openSandboxes } from "../../src/cli/open-sandboxes.ts";
import { hermesAgentEnvConfig } from "../../src/env/env-config.ts";
import { EventBus } from "../../src/telemetry/events.ts";
import { recordEvents } from "../support/env-services.ts";

function open(keys: Record<string, unknown>, sandboxSecrets = {}) {
  const events = new EventBus();
  const notices = recordEvents(events, "notice");
  const env = hermesAgentEnvConfig.parse(keys);
  return { backend: openSandboxes({ env, environment: { sandboxSecrets }, events }), notices };
}

test.each([
  [{}, LocalBackend],
  [{ pool_size: 1 }, SandboxPool],
  [{ pool_max_total: 8 }, SandboxPool],
])("%j gives the right kind of backend", async (keys, kind) => {
  const { backend, notices } = open(keys);
  await using _backend = backend;
  expect(backend).toBeInstanceOf(kind);
  expect(backend.name).toBe("local");
  expect(notices).toEqual([]);
});

test("a shared key that the backend has no use for is told once", async () => {
  const { backend, notices } = open({ terminal_backend: "docker", terminal_isolation: "none" });
  await using _backend = backend;
  expect(notices).toEqual([
    { level: "warn", message: expect.stringMatching(/"docker" has no use for env\.terminal_isolation:/) },
  ]);
});

test("an unknown backend is an error", () => {
  expect(() => open({ terminal_backend: "locl" })).toThrow(
    expect.objectContaining({ code: "TERMINAL_BACKEND_UNKNOWN" }),
  );
});
