/**
 * Images of Dockerfiles. The name of an image comes from what lies in the folder, so that nothing is built twice, and
 * whatever changes is built anew. However many wait for one image, it is built once; a build that was started goes on
 * until the last one has stopped waiting.
 */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { lstat, readdir, readlink } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type Docker from "dockerode";
import { z } from "zod";
import { LachesisError } from "../../src/contracts/errors.ts";
import { untilAborted } from "../../src/contracts/until-aborted.ts";
import { packDirectory } from "../../src/tools/tar-packing.ts";
import type { OnNotice } from "../backend-context.ts";
import { daemonUnavailable, messageOf, statusOf } from "./docker-client.ts";

const repository = "lachesis-task";
const shownCharacters = 1500;
const buildLine = z.object({ stream: z.string().optional(), error: z.string().optional() });

export class ImageBuilder {
  readonly #docker: Docker;
  readonly #onNotice: OnNotice;
  readonly #builds = new Map<string, { done: Promise<void>; waiting: number; stop: AbortController }>();

  constructor(docker: Docker, onNotice: OnNotice) {
    this.#docker = docker;
    this.#onNotice = onNotice;
  }

  /** The image's name. Rejects with SANDBOX_IMAGE_UNAVAILABLE and what the build said last, or the signal's reason. */
  async build(directory: string, signal: AbortSignal): Promise<string> {
    signal.throwIfAborted();
    const image = `${repository}:${(await hashOf(directory)).slice(0, 24)}`;
    const build = this.#builds.get(image) ?? this.#start(image, directory);
    build.waiting += 1;
    try {
      await untilAborted(build.done, signal);
      return image;
    } finally {
      build.waiting -= 1;
      if (build.waiting === 0) {
        build.stop.abort();
        await build.done.catch(() => {});
      }
    }
  }

  #start(image: string, directory: string) {
    const stop = new AbortController();
    const done = this.#run(image, directory, stop.signal).finally(() => this.#builds.delete(image));
    done.catch(() => {});
    const build = { done, waiting: 0, stop };
    this.#builds.set(image, build);
    return build;
  }

  async #run(image: string, directory: string, signal: AbortSignal): Promise<void> {
    if (await this.#has(image)) return;
    const startedAtMs = performance.now();
    this.#onNotice({ level: "info", message: `Docker builds the image of ${directory} …` });
    let said = "";
    const context = packDirectory(directory);
    try {
      const answer = await this.#docker.buildImage(context, {
        t: image,
        rm: true,
        forcerm: true,
        abortSignal: signal,
      });
      for await (const line of linesOf(Readable.from(answer, { signal }))) {
        if (line.error !== undefined) throw new Error(line.error);
        said = (said + (line.stream ?? "")).slice(-shownCharacters);
      }
      if (!(await this.#has(image))) throw new Error("the build ended without an image");
    } catch (error) {
      if (signal.aborted) throw error;
      throw (
        daemonUnavailable(error) ??
        new LachesisError(
          "SANDBOX_IMAGE_UNAVAILABLE",
          `The image of ${directory} can't be built: ${messageOf(error)}.${said === "" ? "" : ` The build said last: ${said.trim()}`}`,
          {
            hint: "Build it by hand (`docker build .` in that folder), and mend what it says.",
            cause: error,
          },
        )
      );
    } finally {
      context.destroy();
    }
    const seconds = ((performance.now() - startedAtMs) / 1000).toFixed(0);
    this.#onNotice({ level: "info", message: `Docker built ${image} of ${directory} in ${seconds} s.` });
  }

  async #has(image: string): Promise<boolean> {
    try {
      await this.#docker.getImage(image).inspect();
      return true;
    } catch (error) {
      if (statusOf(error) === 404) return false;
      throw error;
    }
  }
}

/** Over names, modes, links and contents, but no times: a fresh copy of the folder is the same image. */
async function hashOf(directory: string): Promise<string> {
  const hash = createHash("sha256");
  const entries = (await readdir(directory, { recursive: true })).sort();
  for (const name of entries) {
    const path = join(directory, name);
    const status = await lstat(path);
    if (status.isDirectory()) continue;
    hash.update(JSON.stringify([name, status.mode & 0o777, status.isFile() ? status.size : null]));
    if (status.isSymbolicLink()) hash.update(await readlink(path));
    if (status.isFile()) await pipeline(createReadStream(path), hash, { end: false });
  }
  return hash.digest("hex");
}

/** The daemon's progress: one JSON object a line. */
async function* linesOf(stream: Readable): AsyncGenerator<z.output<typeof buildLine>> {
  let rest = "";
  for await (const chunk of stream) {
    const lines = (rest + String(chunk)).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) if (line.trim() !== "") yield buildLine.parse(JSON.parse(line));
  }
  if (rest.trim() !== "") yield buildLine.parse(JSON.parse(rest));
}
