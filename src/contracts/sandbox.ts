/** Where one rollout's commands run, and the maker of such places. */
import type { Readable, Writable } from "node:stream";

export type Command = ({ argv: readonly [string, ...string[]] } | { shell: string }) & {
  /** Working directory inside the sandbox. Default: the workspace. */
  cwd?: string;
  env?: Readonly<Record<string, string>>;
};

export type ExecOptions = {
  timeoutMs: number;
  signal: AbortSignal;
  stdin?: Uint8Array;
  /** Cap of stdout and of stderr, each; what lies beyond is cut out at byte `ceil(cap / 2)`. Default 1 MiB. */
  outputLimitBytes?: number;
};

/** A command's end as the sandbox saw it. A command that fails or times out is a result, not an error. */
export type ExecResult = {
  /** Exit code; 128 + n for death by signal n; 124 when timed out. */
  exitCode: number;
  stdout: Uint8Array;
  stderr: Uint8Array;
  timedOut: boolean;
  /** Bytes cut out of the middle of each stream (0 = none). */
  stdoutDroppedBytes: number;
  stderrDroppedBytes: number;
  durationMs: number;
};

/** A long-lived process inside the sandbox (a REPL, a server). Dies with the sandbox. */
export interface SandboxProcess {
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** Settles with the exit code (128 + n for signals) once the process is gone, its last output perhaps still unread; never rejects. */
  readonly exited: Promise<number>;
  /** Kills the process and its descendants, and waits until they are gone. */
  kill(): Promise<void>;
}

/**
 * Rejections are LachesisErrors of the machinery (the sandbox died, could not start, ...), or the signal's
 * reason. What the model's command does wrong comes back as an ExecResult.
 */
export interface Sandbox extends AsyncDisposable {
  /** Names the sandbox in logs. */
  readonly id: string;
  /** Absolute path, inside the sandbox, of the rollout's own writable directory. It is HOME to every command. */
  readonly workspace: string;
  /** Settles when the sandbox has ended, for whatever reason, and nothing is left of it. Absent where nobody can tell. */
  readonly closed?: Promise<void> | undefined;
  exec(command: Command, options: ExecOptions): Promise<ExecResult>;
  /** The signal can stop the start only; the process is ended by `kill` or with the sandbox. */
  spawn(command: Command, options: { signal: AbortSignal }): Promise<SandboxProcess>;
  /** Relative paths are taken from the workspace. Missing file: LachesisError SANDBOX_FILE_NOT_FOUND. */
  readFile(path: string, options: { signal: AbortSignal; maxBytes?: number }): Promise<Uint8Array>;
  /** Creates missing parent directories. */
  writeFile(path: string, content: Uint8Array, options: { signal: AbortSignal }): Promise<void>;
  /** Unpacks a tar stream into a directory inside the sandbox. */
  upload(tar: Readable, directory: string, options: { signal: AbortSignal }): Promise<void>;
  /** Packs a file or directory inside the sandbox as a tar stream with names relative to it. */
  download(path: string, options: { signal: AbortSignal }): Promise<Readable>;
  /**
   * A new sandbox of the same kind with the same workspace: contents, owners, modes, times and links. No process
   * comes along, nor what lies outside the workspace. The two go on apart, and the caller disposes of the new one.
   * What still writes while it is copied may be copied half, and what its owner may not read is left out. Absent where
   * a backend cannot.
   */
  fork?(options: { signal: AbortSignal }): Promise<Sandbox>;
}

/** What one item asks of its sandbox, beyond the backend's settings. A backend that cannot give it refuses. */
export type SandboxSpec = {
  /** Image in the backend's own terms: a Docker reference, docker:// or a .sif file, an image of Modal or Daytona. */
  image?: string;
  /** One of the backend's configured profiles (modal: image, gpu, cpu, memory, secrets). */
  profile?: string;
  /**
   * Absolute directory of the image to work in, instead of a fresh one: the image's own files are then writable.
   */
  workspace?: string;
  cpus?: number;
  memoryMb?: number;
  /** Whether the sandbox may reach the network; default: the backend's setting. */
  network?: boolean;
};

export type SandboxRequest = {
  /** The rollout that will own the sandbox. */
  rolloutId: string;
  signal: AbortSignal;
  spec?: SandboxSpec;
};

export type ImageRequest = {
  /** On this machine, with the Dockerfile and all that it copies. */
  directory: string;
  signal: AbortSignal;
};

export interface SandboxBackend extends AsyncDisposable {
  readonly name: string;
  /** Whether `closed` of its sandboxes tells every end at once, since they run on this machine. Default: no. */
  readonly seesEnds?: boolean;
  /** Proves that sandboxes can be made here; rejects with an error that says how to mend it. */
  check(options: { signal: AbortSignal }): Promise<void>;
  /** A fresh sandbox; the caller disposes of it. A create that is aborted leaves nothing behind. */
  create(request: SandboxRequest): Promise<Sandbox>;
  /** Builds the image of a directory with a Dockerfile and names it, at once where it did so before. Absent where a backend cannot. */
  readonly buildImage?: ((request: ImageRequest) => Promise<string>) | undefined;
  /** What its sandboxes cost and how many there are, for the run's metrics (`sandbox/in_use`, ...). */
  metrics?(): Record<string, number>;
}
