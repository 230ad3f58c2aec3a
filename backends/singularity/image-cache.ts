/**
 * Converted images, one file for each source, shared by all processes of this user. Who converts holds a lock of the
 * kernel's (flock), which ends with its holder: a process that was killed half-way leaves no lock, only a partial file
 * that the next one removes. A finished image appears under its name at once.
 */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir, stat } from "node:fs/promises";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { LachesisError } from "../../src/contracts/errors.ts";
import { untilAborted } from "../../src/contracts/until-aborted.ts";
import type { OnNotice } from "../backend-context.ts";
import { HostProcess } from "../local/host-process.ts";

export type ImageCacheOptions = {
  /** The program that converts. */
  program: string;
  directory: string | undefined;
  timeoutMs: number;
  onNotice: OnNotice;
  /** Ends conversions under way. */
  closing: AbortSignal;
};

const [exitCodeNoLock, exitCodeBuildFailed] = [73, 74];
const script = `image=$1 program=$2 source=$3
exec 9>"$image.lock" && flock 9 || exit ${exitCodeNoLock}
[ -e "$image" ] && exit 0
rm -rf -- "$image".partial.*
partial=$image.partial.$$
"$program" build "$partial" "$source" 9>&- </dev/null >&2 || { rm -rf -- "$partial"; exit ${exitCodeBuildFailed}; }
mv -- "$partial" "$image"`;

export class ImageCache {
  readonly #options: ImageCacheOptions;
  readonly #directory: string;
  readonly #conversions = new Map<string, Promise<string>>();

  constructor(options: ImageCacheOptions) {
    this.#options = options;
    this.#directory = resolve(options.directory ?? join(homedir(), ".cache", "lachesis", "singularity"));
  }

  /** The image's file or directory. Rejects with SANDBOX_IMAGE_UNAVAILABLE, or the signal's reason. */
  async open(image: string, signal: AbortSignal): Promise<string> {
    if (isPath(image)) {
      const path = resolve(image);
      if (await exists(path)) return path;
      throw unavailable(`there is no ${path}`, image);
    }
    const source = image.includes(":/") ? image : `docker://${image}`;
    const path = join(this.#directory, fileName(source));
    if (await exists(path)) return path;
    // For all who wait: no single rollout's signal may end it.
    let conversion = this.#conversions.get(path);
    if (conversion === undefined) {
      conversion = this.#convert(source, path).finally(() => this.#conversions.delete(path));
      this.#conversions.set(path, conversion);
      conversion.catch(() => {});
    }
    return await untilAborted(conversion, signal);
  }

  /** Waits until no conversion is under way. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#conversions.values());
  }

  async #convert(source: string, path: string): Promise<string> {
    const { program, timeoutMs, onNotice, closing } = this.#options;
    closing.throwIfAborted();
    await mkdir(this.#directory, { recursive: true });
    onNotice({ level: "info", message: `Converting the image ${source} to ${path}; this is done once.` });
    const child = spawn("sh", ["-c", script, "sh", path, program, source], {
      stdio: ["ignore", "ignore", "pipe"],
      detached: true,
    });
    const host = new HostProcess(child);
    const signal = AbortSignal.any([closing, AbortSignal.timeout(timeoutMs)]);
    const onAbort = () => {
      if (child.pid !== undefined && !host.hasEnded) process.kill(-child.pid, "SIGKILL");
    };
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) onAbort();
    const how = await host.ended;
    signal.removeEventListener("abort", onAbort);
    if (how === "exit code 0") return path;
    closing.throwIfAborted();
    if (signal.aborted) throw unavailable(`its conversion took longer than ${timeoutMs / 1_000} s`, source);
    if (how === `exit code ${exitCodeNoLock}`) {
      throw unavailable(`${path}.lock cannot be locked (${host.complaint})`, source);
    }
    throw unavailable(`its conversion ended with ${how}: ${lastLines(host.complaint)}`, source);
  }
}

function isPath(image: string): boolean {
  return /^[./~]/.test(image) || (image.endsWith(".sif") && !image.includes(":/"));
}

/** Readable, and different for different sources. */
function fileName(source: string): string {
  const readable = source.replace(/[^A-Za-z0-9.]+/g, "-").slice(0, 80);
  return `${readable}-${createHash("sha256").update(source).digest("hex").slice(0, 12)}.sif`;
}

async function exists(path: string): Promise<boolean> {
  return await stat(path).then(
    () => true,
    () => false,
  );
}

function lastLines(text: string): string {
  return text.split("\n").slice(-5).join("\n");
}

function unavailable(why: string, image: string): LachesisError {
  return new LachesisError("SANDBOX_IMAGE_UNAVAILABLE", `The image ${image} cannot be had: ${why}.`);
}
