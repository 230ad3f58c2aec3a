/**
 * Takes a request's body off the wire and inflates it: within limits, and never at the expense of the answer.
 *
 * A body that is too large is refused at once, but what the client still sends is read and thrown away for a
 * while: a connection that is cut in the middle of an upload loses the refusal on its way, and the client
 * would take the server for dead and send it all again.
 */
import { promisify } from "node:util";
import { constants, gunzip } from "node:zlib";
import type { FastifyRequest } from "fastify";
import PQueue from "p-queue";
import { type Answer, detailAnswer, textAnswer } from "./answer.ts";

export type BodyLimits = {
  /** Largest body on the wire, bytes. */
  maxBodyBytes: number;
  /** Largest body after inflating, bytes. */
  maxInflatedBytes: number;
};

export type ReceivedBody = { ok: true; bytes: Buffer } | { ok: false; answer: Answer };

/** How long the rest of a refused upload is read away before its connection is cut. */
const LINGER_MS = 30_000;
/** Bodies inflated at once: as many as libuv has threads. Each may take maxInflatedBytes. */
const CONCURRENT_INFLATIONS = 4;
/** No deflate stream grows by more than this. */
const MOST_DEFLATE_RATIO = 1032;
const GZIP_OVERHEAD_BYTES = 18;

const inflate = promisify(gunzip);
const nothing = Buffer.alloc(0);

/** Reads bodies for one server, inflating only so many at once. */
export class BodyReceiver {
  readonly #limits: BodyLimits;
  readonly #inflating = new PQueue({ concurrency: CONCURRENT_INFLATIONS });

  constructor(limits: BodyLimits) {
    this.#limits = limits;
  }

  /** The body's bytes, inflated; or what to answer instead. Rejects when the client hangs up. */
  async receive(request: FastifyRequest): Promise<ReceivedBody> {
    const { maxBodyBytes } = this.#limits;
    const bytes = await readAll(request.raw, maxBodyBytes);
    if (bytes === undefined) {
      return { ok: false, answer: detailAnswer(413, `Body larger than ${maxBodyBytes} bytes`) };
    }
    const isZipped = bytes.length > 0 && /gzip/i.test(request.headers["content-encoding"] ?? "");
    return isZipped ? this.#inflating.add(() => this.#inflate(bytes)) : { ok: true, bytes };
  }

  async #inflate(zipped: Buffer): Promise<ReceivedBody> {
    const { maxInflatedBytes } = this.#limits;
    const tooLarge = detailAnswer(413, `Body larger than ${maxInflatedBytes} bytes when inflated`);
    const claimed = claimedBytes(zipped);
    if (claimed !== undefined && claimed > maxInflatedBytes) return { ok: false, answer: tooLarge };
    try {
      // Room for all of it: one job for a zlib thread, and nothing to put together afterwards.
      const chunkSize = Math.max(constants.Z_DEFAULT_CHUNK, (claimed ?? 0) + 1);
      return { ok: true, bytes: await inflate(zipped, { maxOutputLength: maxInflatedBytes, chunkSize }) };
    } catch (error) {
      if (error instanceof RangeError) return { ok: false, answer: tooLarge };
      return { ok: false, answer: textAnswer("Invalid gzip payload", 400) };
    }
  }
}

/** Nobody is left to be answered: the status is for the log. */
class HungUpError extends Error {
  readonly statusCode = 400;

  constructor() {
    super("the client hung up before its body was complete");
  }
}

/** All bytes of the stream; undefined = more than allowed, and the rest is on its way to nowhere. */
function readAll(incoming: FastifyRequest["raw"], maxBytes: number): Promise<Buffer | undefined> {
  if (Number(incoming.headers["content-length"] ?? 0) > maxBytes) {
    readAway(incoming);
    return Promise.resolve(undefined);
  }
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let length = 0;
    const settle = (bytes: Buffer | undefined) => {
      incoming.off("data", onData).off("end", onEnd).off("close", onClose).off("error", reject);
      resolve(bytes);
    };
    const onData = (chunk: Buffer) => {
      length += chunk.length;
      if (length <= maxBytes) return void chunks.push(chunk);
      settle(undefined);
      readAway(incoming);
    };
    const onEnd = () => settle(chunks.length === 0 ? nothing : Buffer.concat(chunks, length));
    const onClose = () => reject(new HungUpError());
    incoming.on("data", onData).on("end", onEnd).on("close", onClose).on("error", reject);
    if (incoming.readableEnded) onEnd();
    else if (incoming.destroyed) onClose();
  });
}

function readAway(incoming: FastifyRequest["raw"]): void {
  incoming.on("error", () => undefined);
  incoming.resume();
  const cut = setTimeout(() => incoming.destroy(), LINGER_MS);
  cut.unref();
  incoming.once("close", () => clearTimeout(cut));
}

/** The size that the stream says it has (its last four bytes); undefined where that can't be true. */
function claimedBytes(zipped: Buffer): number | undefined {
  if (zipped.length < GZIP_OVERHEAD_BYTES) return undefined;
  const claimed = zipped.readUInt32LE(zipped.length - 4);
  return claimed <= zipped.length * MOST_DEFLATE_RATIO ? claimed : undefined;
}
