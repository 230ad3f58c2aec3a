/**
 * One attack on a local sandbox: what hostile code tries, what contains it, and the trial itself. The table in
 * docs/security.md is written from these (`npx node scripts/write-security-docs.ts`).
 */
import { expect } from "vitest";
import type { Sandbox, SandboxBackend } from "../../../src/contracts/sandbox.ts";

export type AbuseCase = {
  /** What is tried; the title of the test and the first column of the table. */
  attack: string;
  /** What stands in its way. */
  containedBy: string;
  /** Why it cannot be tried on this machine; undefined when it can. */
  skipReason?: () => Promise<string | undefined>;
  attempt: (place: AbusePlace) => Promise<void>;
};

export type AbuseChapter = { title: string; cases: readonly AbuseCase[] };

export const abuseSettings = {
  memory_mb: 200,
  workspace_mb: 16,
  max_processes: 40,
  run_as_uid: 20_117,
} as const;

export type Ended = { exitCode: number; stdout: string; stderr: string; timedOut: boolean };

/** A sandbox with the settings above, to attack from inside. */
export class AbusePlace {
  readonly backend: SandboxBackend;
  readonly sandbox: Sandbox;
  readonly signal = AbortSignal.timeout(100_000);

  constructor(backend: SandboxBackend, sandbox: Sandbox) {
    this.backend = backend;
    this.sandbox = sandbox;
  }

  async run(shell: string, timeoutMs = 20_000): Promise<Ended> {
    return this.#told(await this.sandbox.exec({ shell }, { timeoutMs, signal: this.signal }));
  }

  async python(code: string, timeoutMs = 20_000): Promise<Ended> {
    const stdin = Buffer.from(code);
    const argv = ["python3", "-I", "-S", "-B", "-"] as const;
    return this.#told(await this.sandbox.exec({ argv }, { timeoutMs, signal: this.signal, stdin }));
  }

  async expectUsable(): Promise<void> {
    expect(await this.run("echo usable")).toMatchObject({ exitCode: 0, stdout: "usable\n" });
  }

  #told(result: Awaited<ReturnType<Sandbox["exec"]>>): Ended {
    const { exitCode, timedOut } = result;
    return {
      exitCode,
      timedOut,
      stdout: Buffer.from(result.stdout).toString(),
      stderr: Buffer.from(result.stderr).toString(),
    };
  }
}
