/**
 * Brings images that are missing. However many sandboxes wait for one image, it is pulled once, and the pull goes on
 * as long as one of them still waits. Progress is told as notices, at most one in ten seconds.
 */
import { Readable } from "node:stream";
import type Docker from "dockerode";
import { z } from "zod";
import { LachesisError } from "../../src/contracts/errors.ts";
import { untilAborted } from "../../src/contracts/until-aborted.ts";
import type { OnNotice } from "../backend-context.ts";
import { daemonUnavailable, messageOf, statusOf } from "./docker-client.ts";

type Pull = { done: Promise<void>; waiting: number; stop: AbortController };

const noticeIntervalMs = 10_000;
const progressLine = z.object({
  id: z.string().optional(),
  error: z.string().optional(),
  progressDetail: z.object({ current: z.number(), total: z.number() }).optional().catch(undefined),
});

export class ImagePuller {
  readonly #docker: Docker;
  readonly #onNotice: OnNotice;
  readonly #pulls = new Map<string, Pull>();

  constructor(docker: Docker, onNotice: OnNotice) {
    this.#docker = docker;
    this.#onNotice = onNotice;
  }

  /** Settles when the image is there; rejects with SANDBOX_IMAGE_UNAVAILABLE, in the registry's words, or the signal's reason. */
  async pull(image: string, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const pull = this.#pulls.get(image) ?? this.#start(image);
    pull.waiting += 1;
    try {
      await untilAborted(pull.done, signal);
    } finally {
      pull.waiting -= 1;
      if (pull.waiting === 0) {
        pull.stop.abort();
        await pull.done.catch(() => {});
      }
    }
  }

  #start(image: string): Pull {
    const stop = new AbortController();
    const done = this.#run(image, stop.signal).finally(() => this.#pulls.delete(image));
    done.catch(() => {});
    const pull = { done, waiting: 0, stop };
    this.#pulls.set(image, pull);
    return pull;
  }

  async #run(image: string, signal: AbortSignal): Promise<void> {
    const startedAtMs = performance.now();
    this.#onNotice({ level: "info", message: `Docker pulls the image ${image} …` });
    try {
      const answer = await this.#docker.pull(image, { abortSignal: signal });
      const lines = Readable.from(answer, { signal });
      await this.#follow(image, lines);
    } catch (error) {
      if (signal.aborted) throw error;
      throw daemonUnavailable(error) ?? imageUnavailable(image, messageOf(error), error);
    }
    const seconds = ((performance.now() - startedAtMs) / 1000).toFixed(0);
    this.#onNotice({ level: "info", message: `Docker pulled the image ${image} in ${seconds} s.` });
  }

  async #follow(image: string, lines: Readable): Promise<void> {
    const layers = new Map<string, { current: number; total: number }>();
    let toldAtMs = performance.now();
    for await (const line of parseLines(lines)) {
      if (line.error !== undefined) throw new Error(line.error);
      if (line.id !== undefined && line.progressDetail !== undefined)
        layers.set(line.id, line.progressDetail);
      if (performance.now() - toldAtMs < noticeIntervalMs) continue;
      toldAtMs = performance.now();
      const sum = (key: "current" | "total") =>
        ([...layers.values()].reduce((bytes, layer) => bytes + layer[key], 0) / 1e6).toFixed(0);
      const message = `Docker pulls the image ${image}: ${sum("current")} of ${sum("total")} MB`;
      this.#onNotice({ level: "info", message });
    }
  }
}

export function imageUnavailable(image: string, why: string, cause?: unknown): LachesisError {
  return new LachesisError("SANDBOX_IMAGE_UNAVAILABLE", `The image ${image} is not to be had: ${why}.`, {
    hint: `Check its name, or bring it by hand: \`docker pull ${image}\` (after \`docker login\` where it is private).`,
    cause,
  });
}

/** Whether the daemon said that it does not have the image. */
export function isImageMissing(error: unknown): boolean {
  return statusOf(error) === 404 && /no such image/i.test(messageOf(error));
}

/** The daemon's progress: one JSON object a line. */
async function* parseLines(stream: Readable): AsyncGenerator<z.output<typeof progressLine>> {
  let rest = "";
  for await (const chunk of stream) {
    const lines = (rest + String(chunk)).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      if (line.trim() !== "") yield progressLine.parse(JSON.parse(line));
    }
  }
}
