/** What the parts of the sandbox contract share. */
import type { ExecOptions, ExecResult, Sandbox, SandboxBackend } from "../../src/contracts/sandbox.ts";

export type SandboxContractOptions = {
  createBackend: () => SandboxBackend;
  /** Why the suite cannot run here; undefined when it can. */
  skipReason?: string | undefined;
  /** Kills the sandbox with means from outside, as the host's OOM killer or an operator would. */
  killFromOutside: (sandbox: Sandbox) => void | Promise<void>;
  /** Whether a process whose command line holds the text runs anywhere on the machine. */
  isRunning: (commandText: string) => boolean;
  /** Throws when anything of a sandbox is left after all have been disposed of. */
  expectNothingLeft: () => Promise<void>;
  /** False where sandboxes are plain processes that see each other's. Default: true. */
  separateProcesses?: boolean;
  /** Smaller ones, where a stand-in on loopback would take minutes. */
  sizes?: Partial<SandboxContractSizes>;
};

export type SandboxContractSizes = {
  /** What a command writes in the test of the output's cap. Default: 100,000,000. */
  outputBytes: number;
  /** What goes in and out as a file and as a tar. Default: 50,000,000. */
  fileBytes: number;
  /** Sandboxes that live, or are cancelled, at the same time. Default: 24. */
  sandboxesAtOnce: number;
};

export type SandboxContractContext = {
  options: SandboxContractOptions;
  sizes: SandboxContractSizes;
  backend: () => SandboxBackend;
  /** A fresh sandbox that is disposed of after the test. */
  open: () => Promise<Sandbox>;
  run: (sandbox: Sandbox, shell: string, more?: Partial<ExecOptions>) => Promise<ExecResult>;
};

export const neverAborted = new AbortController().signal;
let lastMarker = 0;

/** A number of seconds that no other sleep on this machine uses. */
export function markerSeconds(): string {
  lastMarker += 1;
  return `${10_000 + (process.pid % 50_000)}.${String(lastMarker).padStart(4, "0")}`;
}

export function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString();
}
