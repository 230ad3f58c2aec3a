/** Plays what a rollout needs of a sandbox backend, for real, and says how long each step took or which one failed. */
import { randomBytes } from "node:crypto";
import { LachesisError, toLachesisError } from "../../contracts/errors.ts";
import type { ExecResult, Sandbox, SandboxBackend } from "../../contracts/sandbox.ts";
import { untilAborted } from "../../contracts/until-aborted.ts";

export type Timings = { createMs: number; execMs: number; filesMs: number; destroyMs: number };

export type BackendReport = {
  name: string;
  works: boolean;
  /** As far as it came. */
  timings: Partial<Timings>;
  /** Version of the sandbox's own python3, for the python tool; null = it has none. */
  python: string | null;
  error?: { step: string; code: string; message: string; hint: string | null };
};

export type TryBackendOptions = {
  name: string;
  /** May throw: settings can be wrong. */
  create: () => SandboxBackend;
  /** For all steps together; the clean-up has as long again. */
  timeoutMs: number;
  signal: AbortSignal;
};

const commands = 5;
const fileBytes = 1_000_000;

/** Rejects only with the signal's reason; leaves no sandbox behind either way. */
export async function tryBackend({
  name,
  create,
  timeoutMs,
  signal,
}: TryBackendOptions): Promise<BackendReport> {
  signal.throwIfAborted();
  const report: BackendReport = { name, works: false, timings: {}, python: null };
  const step = { name: "settings" };
  const limit = AbortSignal.timeout(timeoutMs);
  const either = AbortSignal.any([signal, limit]);
  let backend: SandboxBackend | undefined;
  try {
    backend = create();
    await play(backend, report, step, either);
    report.works = true;
  } catch (thrown) {
    signal.throwIfAborted();
    const error = limit.aborted ? tooSlow(timeoutMs) : toLachesisError(thrown, "INTERNAL", name);
    const { code, message, hint = null } = error;
    report.error = { step: step.name, code, message, hint };
  } finally {
    const made = backend;
    const end = (async () => made?.[Symbol.asyncDispose]())();
    await untilAborted(end, AbortSignal.timeout(timeoutMs)).catch(() => {});
  }
  return report;
}

async function play(
  backend: SandboxBackend,
  report: BackendReport,
  step: { name: string },
  signal: AbortSignal,
): Promise<void> {
  const { timings } = report;
  const take = async <T>(name: string, key: keyof Timings, work: () => Promise<T>): Promise<T> => {
    step.name = name;
    const startedAtMs = performance.now();
    const result = await untilAborted(work(), signal);
    timings[key] = performance.now() - startedAtMs;
    return result;
  };
  const sandbox = await take("create", "createMs", () => backend.create({ rolloutId: "doctor", signal }));
  const word = randomBytes(8).toString("hex");
  await take("exec", "execMs", async () => {
    for (let round = 0; round < commands; round += 1) {
      const { exitCode, stdout, stderr } = await run(sandbox, ["echo", word], signal);
      const said = Buffer.from(stdout).toString().trim();
      if (said !== word)
        throw odd(`\`echo ${word}\` ended with ${exitCode} and said "${said || Buffer.from(stderr)}"`);
    }
  });
  timings.execMs = (timings.execMs ?? 0) / commands;
  await take("files", "filesMs", async () => {
    const content = randomBytes(fileBytes);
    await sandbox.writeFile("doctor/file", content, { signal });
    const back = await sandbox.readFile("doctor/file", { signal });
    if (!content.equals(back)) throw odd(`a file of ${fileBytes} bytes came back changed`);
  });
  const { exitCode, stdout } = await run(sandbox, ["python3", "--version"], signal);
  report.python =
    exitCode === 0
      ? Buffer.from(stdout)
          .toString()
          .replace(/^Python/, "")
          .trim()
      : null;
  await take("destroy", "destroyMs", async () => sandbox[Symbol.asyncDispose]());
}

function run(
  sandbox: Sandbox,
  argv: readonly [string, ...string[]],
  signal: AbortSignal,
): Promise<ExecResult> {
  return sandbox.exec({ argv }, { timeoutMs: 20_000, signal });
}

function odd(what: string): LachesisError {
  return new LachesisError("SANDBOX_START_FAILED", `The sandbox does not do as it is told: ${what}.`);
}

function tooSlow(timeoutMs: number): LachesisError {
  return new LachesisError("SANDBOX_UNAVAILABLE", `It took longer than ${timeoutMs / 1000} s.`, {
    hint: "An image may still have to be pulled; give it more time with --timeout 10m.",
  });
}
