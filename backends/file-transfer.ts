/**
 * Files in and out of a sandbox through processes that run inside it: the host never resolves a path of the
 * sandbox, so no symlink leads it astray. Needs no more of a backend than `exec` and `spawn`, and of the
 * sandbox `sh`, `head`, `cat`, `mkdir` and `tar`.
 */
import { posix } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { LachesisError } from "../src/contracts/errors.ts";
import type { ExecResult, Sandbox, SandboxProcess } from "../src/contracts/sandbox.ts";

type Runner = Pick<Sandbox, "exec" | "spawn" | "workspace">;

/** What `readFile` takes at most when the caller names no limit. */
export const defaultReadLimitBytes = 256 * 1_048_576;
const transferTimeoutMs = 600_000;
const exitCodeNotFound = 66;
const exitCodeNotRegular = 65;

const readScript = `[ -e "$1" ] || exit ${exitCodeNotFound}; [ -f "$1" ] || exit ${exitCodeNotRegular}; exec head -c "$2" < "$1"`;
const writeScript = `mkdir -p -- "$2" && exec cat > "$1"`;
const unpackScript = `mkdir -p -- "$1" && exec tar -x -f - --no-same-owner -C "$1"`;
const packScript = `[ -e "$1" ] || exit ${exitCodeNotFound}
if [ -d "$1" ]; then exec tar -c -f - -C "$1" .; fi
exec tar -c -f - -C "$2" -- "$3"`;

export async function readFileInside(
  sandbox: Runner,
  path: string,
  { signal, maxBytes = defaultReadLimitBytes }: { signal: AbortSignal; maxBytes?: number },
): Promise<Uint8Array> {
  const absolute = absolutePath(sandbox, path);
  const result = await sandbox.exec(
    { argv: ["sh", "-c", readScript, "sh", absolute, String(maxBytes + 1)], cwd: "/" },
    { timeoutMs: transferTimeoutMs, signal, outputLimitBytes: maxBytes + 2 },
  );
  if (result.exitCode !== 0) throw readFailure(absolute, result.exitCode, describe(result));
  if (result.stdout.length > maxBytes) {
    throw new LachesisError(
      "SANDBOX_FILE_TOO_LARGE",
      `${absolute} holds more than the ${maxBytes} bytes allowed.`,
      {
        hint: "Raise maxBytes, or read a part of it with a command.",
      },
    );
  }
  return result.stdout;
}

export async function writeFileInside(
  sandbox: Runner,
  path: string,
  content: Uint8Array,
  { signal }: { signal: AbortSignal },
): Promise<void> {
  const absolute = absolutePath(sandbox, path);
  const result = await sandbox.exec(
    { argv: ["sh", "-c", writeScript, "sh", absolute, posix.dirname(absolute)], cwd: "/" },
    { timeoutMs: transferTimeoutMs, signal, stdin: content },
  );
  if (result.exitCode !== 0) throw fileFailure(`Could not write ${absolute}`, describe(result));
}

export async function uploadInside(
  sandbox: Runner,
  tar: Readable,
  directory: string,
  { signal }: { signal: AbortSignal },
): Promise<void> {
  const absolute = absolutePath(sandbox, directory);
  const process = await sandbox.spawn(
    { argv: ["sh", "-c", unpackScript, "sh", absolute], cwd: "/" },
    { signal },
  );
  const complaint = collectText(process.stderr);
  process.stdout.resume();
  try {
    await pipeline(tar, process.stdin, { signal });
  } catch (error) {
    await process.kill();
    signal.throwIfAborted();
    throw error;
  }
  const exitCode = await raceAbort(process.exited, signal, () => process.kill());
  if (exitCode !== 0) throw fileFailure(`Could not unpack into ${absolute}`, await complaint);
}

export async function downloadInside(
  sandbox: Runner,
  path: string,
  { signal }: { signal: AbortSignal },
): Promise<Readable> {
  const absolute = absolutePath(sandbox, path);
  const process = await sandbox.spawn(
    {
      argv: ["sh", "-c", packScript, "sh", absolute, posix.dirname(absolute), posix.basename(absolute)],
      cwd: "/",
    },
    { signal },
  );
  process.stdin.end();
  const chunks = packedChunks(process, absolute, signal);
  // The first chunk is awaited here, so that a missing file rejects the call rather than the stream.
  const first = await chunks.next();
  return Readable.from(first.done ? [] : startingWith(first.value, chunks), { objectMode: false });
}

/** Ends the process however it is left: at the end, by an abort, or by a consumer who has had enough. */
async function* packedChunks(
  process: SandboxProcess,
  path: string,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  const complaint = collectText(process.stderr);
  const onAbort = () => void process.kill();
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    signal.throwIfAborted();
    for await (const chunk of process.stdout) yield chunk;
    const exitCode = await process.exited;
    signal.throwIfAborted();
    if (exitCode !== 0) throw readFailure(path, exitCode, await complaint);
  } finally {
    signal.removeEventListener("abort", onAbort);
    await process.kill();
  }
}

async function* startingWith<T>(first: T, rest: AsyncGenerator<T>): AsyncGenerator<T> {
  try {
    yield first;
    yield* rest;
  } finally {
    await rest.return(undefined);
  }
}

function absolutePath(sandbox: Runner, path: string): string {
  if (path === "" || path.includes("\0")) {
    throw fileFailure(`Expected a file path, got ${JSON.stringify(path)}`, "");
  }
  return posix.resolve(sandbox.workspace, path);
}

async function collectText(stream: Readable): Promise<string> {
  let text = "";
  for await (const chunk of stream) {
    if (text.length < 2_000) text += String(chunk);
  }
  return text.slice(0, 2_000).trim();
}

async function raceAbort<T>(work: Promise<T>, signal: AbortSignal, onAbort: () => Promise<void>): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const listener = () => void onAbort().then(() => reject(signal.reason));
  if (signal.aborted) listener();
  signal.addEventListener("abort", listener, { once: true });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener("abort", listener);
  }
}

function describe(result: ExecResult): string {
  if (result.timedOut) return `no end after ${transferTimeoutMs} ms`;
  return Buffer.from(result.stderr.subarray(0, 2_000)).toString().trim();
}

function readFailure(path: string, exitCode: number, detail: string): LachesisError {
  if (exitCode === exitCodeNotFound) {
    return new LachesisError("SANDBOX_FILE_NOT_FOUND", `There is no file ${path} in the sandbox.`);
  }
  if (exitCode === exitCodeNotRegular)
    return fileFailure(`Could not read ${path}`, "it is not a regular file");
  return fileFailure(`Could not read ${path}`, detail);
}

function fileFailure(what: string, detail: string): LachesisError {
  return new LachesisError("SANDBOX_FILE_FAILED", `${what}${detail === "" ? "" : `: ${detail}`}.`);
}
