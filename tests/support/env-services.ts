/** What an environment under test works with: real files, real sandboxes (counted), a model that a test plays. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import type { ChatServer } from "../../src/contracts/chat.ts";
import type { SandboxBackend } from "../../src/contracts/sandbox.ts";
import type { EnvServices } from "../../src/env/env-class.ts";
import { EventBus, type RunEventName, type RunEvents } from "../../src/telemetry/events.ts";
import { plainBackend } from "./rollout-context.ts";

export type TestServices = EnvServices & AsyncDisposable & { sandboxes: SandboxCount };

/** Services over a fresh run directory; disposing of them removes it. */
export async function testServices(
  chatCompletion: ChatServer["chatCompletion"] = () => Promise.reject(new Error("no model in this test")),
): Promise<TestServices> {
  const runDirectory = await mkdtemp(join(tmpdir(), "lachesis-env-"));
  const sandboxes = { opened: 0, closed: 0 };
  const backend = countingBackend(plainBackend(), sandboxes);
  return {
    modelName: "scripted",
    servers: { chatCompletion },
    serverCount: 1,
    backend,
    sandboxes,
    logger: pino({ level: "silent" }),
    events: new EventBus(),
    runDirectory,
    cacheDirectory: runDirectory,
    hubToken: undefined,
    async [Symbol.asyncDispose]() {
      await backend[Symbol.asyncDispose]();
      await rm(runDirectory, { recursive: true, force: true });
    },
  };
}

export type SandboxCount = { opened: number; closed: number };

/** Counts the sandboxes that are made and disposed of. */
export function countingBackend(backend: SandboxBackend, count: SandboxCount): SandboxBackend {
  return {
    name: backend.name,
    check: (options) => backend.check(options),
    async create(request) {
      const sandbox = await backend.create(request);
      count.opened += 1;
      const dispose = sandbox[Symbol.asyncDispose].bind(sandbox);
      let closing: Promise<void> | undefined;
      const close = async () => {
        await dispose();
        count.closed += 1;
      };
      sandbox[Symbol.asyncDispose] = () => {
        closing ??= close();
        return closing;
      };
      return sandbox;
    },
    [Symbol.asyncDispose]: () => backend[Symbol.asyncDispose](),
  };
}

/** Everything that was said under one event name. */
export function recordEvents<Name extends RunEventName>(events: EventBus, name: Name): RunEvents[Name][] {
  const said: RunEvents[Name][] = [];
  events.on(name, (event) => said.push(event));
  return said;
}

/** Signals of a run that nobody stops. */
export const neverStopped = () => ({
  drain: new AbortController().signal,
  abort: new AbortController().signal,
});
