/** Whatever happens in whatever order: never too many, nothing lost, everybody served or told. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { SandboxPool } from "../../../backends/sandbox-pool.ts";
import { LachesisError } from "../../../src/contracts/errors.ts";
import type { Sandbox, SandboxSpec } from "../../../src/contracts/sandbox.ts";
import { ScriptedBackend } from "../../support/scripted-backend.ts";

type Request = {
  controller: AbortController;
  spec: SandboxSpec | undefined;
  sandbox: Sandbox | undefined;
  error: unknown;
  isCancelled: boolean;
};

type Step =
  | { do: "acquire"; kind: number }
  | { do: "release" | "cancel" | "succeed" | "fail" | "refuse" | "kill" | "sicken"; which: number }
  | { do: "turn"; turns: number };

const specs: readonly (SandboxSpec | undefined)[] = [undefined, { image: "a" }, { image: "b" }];
const gone = new LachesisError("SANDBOX_START_FAILED", "the daemon is away", { retryable: true });
const refused = new LachesisError("SANDBOX_SPEC_UNSUPPORTED", "no such thing");

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant("acquire" as const), kind: fc.nat(2) }) },
  {
    weight: 12,
    arbitrary: fc.record({
      do: fc.constantFrom(
        "release" as const,
        "release" as const,
        "cancel" as const,
        "succeed" as const,
        "succeed" as const,
        "succeed" as const,
        "fail" as const,
        "refuse" as const,
        "kill" as const,
        "sicken" as const,
      ),
      which: fc.nat(20),
    }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("turn" as const), turns: fc.nat(6) }) },
);

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn += 1) await new Promise(setImmediate);
}

const pick = <T>(items: readonly T[], which: number): T | undefined => items[which % items.length];

test("random requests, releases, cancels, deaths and failures never break the pool's promises", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 60, size: "max" }),
      fc.integer({ min: 0, max: 4 }),
      fc.integer({ min: 1, max: 5 }),
      fc.constantFrom(0, 60_000),
      async (steps, size, maxTotal, trustMs) => {
        const backend = new ScriptedBackend();
        const pool = new SandboxPool({
          backend,
          size,
          maxTotal,
          trustMs,
          acquireTimeoutMs: 60_000,
          idleTimeoutMs: 60_000,
        });
        const requests: Request[] = [];
        const held = () => requests.filter(({ sandbox }) => sandbox !== undefined);
        const served = new Set<string>();

        const acquire = (kind: number) => {
          const spec = specs[kind];
          const controller = new AbortController();
          const request: Request = {
            controller,
            spec,
            sandbox: undefined,
            error: undefined,
            isCancelled: false,
          };
          requests.push(request);
          const { signal } = controller;
          pool.create({ rolloutId: "r", signal, ...(spec && { spec }) }).then(
            (sandbox) => {
              // Single use, and of the kind that was asked for.
              expect(served.has(sandbox.id)).toBe(false);
              served.add(sandbox.id);
              const made = [...backend.live].find(({ id }) => id === sandbox.id);
              expect(made?.spec).toEqual(spec);
              request.sandbox = sandbox;
            },
            (error: unknown) => {
              request.error = error;
            },
          );
        };
        const release = async (request: Request | undefined) => {
          const sandbox = request?.sandbox;
          if (request === undefined || sandbox === undefined) return;
          request.sandbox = undefined;
          request.error = "released";
          await sandbox[Symbol.asyncDispose]();
        };
        const checkLimits = () => {
          expect(backend.live.size + backend.pending.length).toBeLessThanOrEqual(maxTotal);
          const { warm, inUse, creating, ending } = pool.counts();
          expect(warm + inUse + creating + ending).toBeLessThanOrEqual(maxTotal);
          expect(warm).toBeLessThanOrEqual(size);
        };

        for (const next of steps) {
          switch (next.do) {
            case "acquire":
              acquire(next.kind);
              break;
            case "release":
              void release(pick(held(), next.which));
              break;
            case "cancel": {
              const waiting = requests.filter(({ error, sandbox }) => error === undefined && !sandbox);
              const request = pick(waiting, next.which);
              if (request !== undefined) request.isCancelled = true;
              request?.controller.abort(new Error("cancelled"));
              break;
            }
            case "succeed":
              pick(backend.pending, next.which)?.succeed();
              break;
            case "fail":
              pick(backend.pending, next.which)?.fail(gone);
              break;
            case "refuse":
              pick(backend.pending, next.which)?.fail(refused);
              break;
            case "kill":
              pick([...backend.live], next.which)?.kill();
              break;
            case "sicken": {
              const victim = pick([...backend.live], next.which);
              if (victim !== undefined) victim.isDead = true;
              break;
            }
            case "turn":
              await turns(next.turns);
              break;
            default:
              next satisfies never;
          }
          checkLimits();
        }

        // The backend recovers, and everybody ends what they have: each request is served or told.
        const isOpen = ({ error }: Request) => error === undefined;
        for (let round = 0; requests.some(isOpen); round += 1) {
          await turns(4);
          for (const creation of [...backend.pending]) creation.succeed();
          await turns(4);
          for (const request of held()) await release(request);
          checkLimits();
          // Only the interval after a failure takes time of its own.
          if (round > 50) await new Promise((resolve) => setTimeout(resolve, 20));
          expect(round, "somebody waits for good").toBeLessThan(1_000);
        }
        for (const { error, isCancelled } of requests) {
          if (error instanceof Error && !(error instanceof LachesisError)) expect(isCancelled).toBe(true);
        }
        expect(pool.counts()).toMatchObject({ inUse: 0, waiting: 0 });

        await pool[Symbol.asyncDispose]();
        expect([backend.live.size, backend.pending.length]).toEqual([0, 0]);
        expect(pool.counts()).toEqual({ warm: 0, inUse: 0, creating: 0, ending: 0, waiting: 0 });
        expect(pool.metrics()["sandbox/leaked"]).toBe(0);
      },
    ),
    { numRuns: 200 },
  );
});
