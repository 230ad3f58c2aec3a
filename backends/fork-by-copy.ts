/**
 * `fork` for any backend: a fresh sandbox of the same kind, into which the workspace is streamed as a tar. Needs
 * no snapshots of a backend, and of the sandboxes only `sh`, `rm` and `tar` (GNU's or busybox'). Nothing is kept
 * on the host; whatever goes wrong, the half-filled sandbox is disposed of before the call rejects.
 */
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { LachesisError } from "../src/contracts/errors.ts";
import type { Command, ExecOptions, Sandbox } from "../src/contracts/sandbox.ts";

/** Makes a fresh sandbox of the same kind; rejects as `SandboxBackend.create` does. */
export type CreateTwin = (options: { signal: AbortSignal }) => Promise<Sandbox>;

// GNU's tar ends with 1 where a file changed while it was read: what still writes may be copied half. What its owner
// forbade himself to read is left out: nobody may keep a verifier away like that.
const packScript = `if tar --version 2>/dev/null | grep -q GNU; then
  tar --create --format=posix --sparse --numeric-owner --ignore-failed-read --file - --directory "$1" .
  code=$?
  [ "$code" = 1 ] && code=0
  exit "$code"
fi
exec tar -c -f - -C "$1" .`;
// An image's own workspace is full of files that the original may have removed. Only root may give owners away.
const unpackScript = `cd "$1" && rm -rf -- ..?* .[!.]* * || exit 1
if tar --version 2>/dev/null | grep -q GNU; then exec tar --extract --preserve-permissions --numeric-owner --file -; fi
exec tar -x -p -f -`;
const complaintLimit = 2_000;
const probeTimeoutMs = 20_000;

/** A sandbox that can be forked by copying; all else is the given sandbox's own doing. */
export class ForkableSandbox implements Sandbox {
  readonly #sandbox: Sandbox;
  readonly #createTwin: CreateTwin;

  constructor(sandbox: Sandbox, createTwin: CreateTwin) {
    this.#sandbox = sandbox;
    this.#createTwin = createTwin;
  }

  get id(): string {
    return this.#sandbox.id;
  }
  get workspace(): string {
    return this.#sandbox.workspace;
  }
  get closed(): Promise<void> | undefined {
    return this.#sandbox.closed;
  }
  exec(command: Command, options: ExecOptions) {
    return this.#sandbox.exec(command, options);
  }
  spawn(command: Command, options: { signal: AbortSignal }) {
    return this.#sandbox.spawn(command, options);
  }
  readFile(path: string, options: { signal: AbortSignal; maxBytes?: number }) {
    return this.#sandbox.readFile(path, options);
  }
  writeFile(path: string, content: Uint8Array, options: { signal: AbortSignal }) {
    return this.#sandbox.writeFile(path, content, options);
  }
  upload(tar: Readable, directory: string, options: { signal: AbortSignal }) {
    return this.#sandbox.upload(tar, directory, options);
  }
  download(path: string, options: { signal: AbortSignal }) {
    return this.#sandbox.download(path, options);
  }
  fork(options: { signal: AbortSignal }): Promise<Sandbox> {
    return forkByCopy(this.#sandbox, this.#createTwin, options);
  }
  [Symbol.asyncDispose]() {
    return this.#sandbox[Symbol.asyncDispose]();
  }
}

/** Rejects with SANDBOX_FORK_FAILED, with what creating the twin rejects with, or with the signal's reason. */
export async function forkByCopy(
  source: Sandbox,
  createTwin: CreateTwin,
  { signal }: { signal: AbortSignal },
): Promise<Sandbox> {
  signal.throwIfAborted();
  const twin = await createTwin({ signal });
  try {
    await copyWorkspace(source, twin, signal);
    return twin;
  } catch (error) {
    await twin[Symbol.asyncDispose]();
    signal.throwIfAborted();
    throw error;
  }
}

async function copyWorkspace(source: Sandbox, twin: Sandbox, signal: AbortSignal): Promise<void> {
  const pack = await source.spawn(script(packScript, source.workspace), { signal });
  try {
    const unpack = await twin.spawn(script(unpackScript, twin.workspace), { signal });
    pack.stdin.end();
    unpack.stdout.resume();
    const complaints = Promise.all([collectText(pack.stderr), collectText(unpack.stderr)]);
    await pipeline(pack.stdout, unpack.stdin, { signal });
    const exitCodes = await Promise.all([pack.exited, unpack.exited]);
    if (exitCodes.every((exitCode) => exitCode === 0)) return;
    // A process' end does not tell that its sandbox died; the next command does.
    for (const sandbox of [source, twin])
      await sandbox.exec({ argv: ["true"], cwd: "/" }, { timeoutMs: probeTimeoutMs, signal });
    const [packComplaint, unpackComplaint] = await complaints;
    throw new LachesisError(
      "SANDBOX_FORK_FAILED",
      `The workspace of the sandbox ${source.id} could not be copied: ${packComplaint || unpackComplaint || `tar ended with ${exitCodes.join(" and ")}`}.`,
    );
  } finally {
    // The twin's process goes with the twin; the original must not keep ours.
    await pack.kill();
  }
}

function script(text: string, workspace: string): Command {
  return { argv: ["sh", "-c", text, "sh", workspace], cwd: "/" };
}

async function collectText(stream: Readable): Promise<string> {
  let text = "";
  for await (const chunk of stream) {
    if (text.length < complaintLimit) text += String(chunk);
  }
  return text.slice(0, complaintLimit).trim();
}
