/**
 * Takes a request's body off the wire and inflates it: within limits, and never at the expense of the answer.
 *
 * A body that is too large is refused at once, but what the client still sends is read and thrown away for a
 * while: a connection that is cut in the middle of an upload loses the refusal on its way, and the client
 * would take the server for dead and send it all again.
 */
import type { FastifyRequest } from "fastify";
import PQueue from "p-queue";
import { type Answer, detailAnswer } from "./answer.ts";
import { inflate } from "./inflate.ts";

export type BodyLimits = {
  /** Largest body on the wire, bytes. */
  maxBodyBytes: number;
  /** Largest body after inflating, bytes. */
  maxInflatedBytes: number;
};

export type ReceivedBody = { ok: true; bytes: Buffer; isZipped: boolean } | { ok: false; answer: Answer };

/** How long the rest of a refused upload is read away before its connection is cut. */
const LINGER_MS = 30_000;
/** Bodies inflated at once: as many as libuv has threads. Each may take maxInflatedBytes. */
const CONCURRENT_INFLATIONS = 4;
/** Room made before the first byte is there, if that many are announced. */
const MOST_TRUSTED_BYTES = 4 * 1024 * 1024;
const FIRST_BYTES = 64 * 1024;

/** Reads bodies for one server, inflating only so many at once. */
export class BodyReceiver {
  readonly #limits: BodyLimits;
  readonly #inflating = new PQueue({ concurrency: CONCURRENT_INFLATIONS });

  constructor(limits: BodyLimits) {
    this.#limits = limits;
  }

  /** The body's bytes, inflated if wanted; or what to answer instead. Rejects when the client hangs up. */
  async receive(request: FastifyRequest, { inflates }: { inflates: boolean }): Promise<ReceivedBody> {
    const { maxBodyBytes, maxInflatedBytes } = this.#limits;
    const bytes = await readAll(request.raw, maxBodyBytes);
    if (bytes === undefined) {
      return { ok: false, answer: detailAnswer(413, `Body larger than ${maxBodyBytes} bytes`) };
    }
    const isZipped = bytes.length > 0 && /gzip/i.test(request.headers["content-encoding"] ?? "");
    if (!isZipped || !inflates) return { ok: true, bytes, isZipped };
    const inflated = await this.#inflating.add(() => inflate(bytes, maxInflatedBytes));
    return inflated.ok ? { ...inflated, isZipped: false } : inflated;
  }
}

/** Nobody is left to be answered: the status is for the log. */
class HungUpError extends Error {
  readonly statusCode = 400;

  constructor() {
    super("the client hung up before its body was complete");
  }
}

/**
 * All bytes of the stream, in memory of their own; undefined = more than allowed, and the rest is on its way to
 * nowhere.
 */
function readAll(incoming: FastifyRequest["raw"], maxBytes: number): Promise<Buffer | undefined> {
  const announced = Number(incoming.headers["content-length"] ?? 0);
  if (announced > maxBytes) {
    readAway(incoming);
    return Promise.resolve(undefined);
  }
  return new Promise((resolve, reject) => {
    let bytes = Buffer.allocUnsafeSlow(Math.min(announced, MOST_TRUSTED_BYTES));
    let length = 0;
    const settle = (result: Buffer | undefined) => {
      incoming.off("data", onData).off("end", onEnd).off("close", onClose).off("error", reject);
      resolve(result);
    };
    const onData = (chunk: Buffer) => {
      const needed = length + chunk.length;
      if (needed > maxBytes) {
        settle(undefined);
        readAway(incoming);
        return;
      }
      if (needed > bytes.length) {
        const larger = Buffer.allocUnsafeSlow(Math.max(needed, bytes.length * 2, FIRST_BYTES));
        bytes.copy(larger, 0, 0, length);
        bytes = larger;
      }
      chunk.copy(bytes, length);
      length = needed;
    };
    const onEnd = () => settle(bytes.subarray(0, length));
    const onClose = () => reject(new HungUpError());
    incoming.on("data", onData).on("end", onEnd).on("close", onClose).on("error", reject);
    if (incoming.readableEnded) onEnd();
    else if (incoming.destroyed) onClose();
  });
}

/**
 * Reads what comes of the body and throws it away, for a while: due to a request that is answered before its
 * body was read.
 */
export function readAway(incoming: FastifyRequest["raw"]): void {
  const { "content-length": length, "transfer-encoding": coding } = incoming.headers;
  if (incoming.complete || (coding === undefined && Number(length ?? 0) === 0)) return;
  incoming.on("error", () => undefined);
  incoming.resume();
  const cut = setTimeout(() => incoming.destroy(), LINGER_MS);
  cut.unref();
  incoming.once("close", () => clearTimeout(cut));
}
