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
import { ByteChunks, joined } from "./byte-chunks.ts";
import { inflate } from "./inflate.ts";

export type BodyLimits = {
  /** Largest body on the wire, bytes. */
  maxBodyBytes: number;
  /** Largest body after inflating, bytes. */
  maxInflatedBytes: number;
};

export type Refused = { ok: false; answer: Answer };
export type ReceivedBody = { ok: true; bytes: Buffer } | Refused;
/** A body as it came. */
export type Upload = { chunks: readonly Buffer[]; isZipped: boolean };
export type ReceivedUpload = { ok: true; upload: Upload } | Refused;

/** How long the rest of a refused upload is read away before its connection is cut. */
const LINGER_MS = 30_000;
/** Bodies inflated at once: as many as libuv has threads. Each may take maxInflatedBytes. */
const CONCURRENT_INFLATIONS = 4;

/** Reads bodies for one server, inflating only so many at once. */
export class BodyReceiver {
  readonly #limits: BodyLimits;
  readonly #inflating = new PQueue({ concurrency: CONCURRENT_INFLATIONS });

  constructor(limits: BodyLimits) {
    this.#limits = limits;
  }

  /** The body's bytes, inflated; or what to answer instead. Rejects when the client hangs up. */
  async receive(request: FastifyRequest): Promise<ReceivedBody> {
    const received = await this.receiveAsSent(request);
    if (!received.ok) return received;
    const { chunks, isZipped } = received.upload;
    const bytes = joined(chunks);
    if (!isZipped) return { ok: true, bytes };
    return this.#inflating.add(() => inflate(bytes, this.#limits.maxInflatedBytes));
  }

  /** The same without inflating. */
  async receiveAsSent({ raw, headers }: FastifyRequest): Promise<ReceivedUpload> {
    const { maxBodyBytes } = this.#limits;
    const bytes = await readAll(raw, maxBodyBytes);
    if (bytes === undefined) {
      return { ok: false, answer: detailAnswer(413, `Body larger than ${maxBodyBytes} bytes`) };
    }
    const isZipped = bytes.length > 0 && /gzip/i.test(headers["content-encoding"] ?? "");
    return { ok: true, upload: { chunks: bytes.list(), isZipped } };
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
function readAll(incoming: FastifyRequest["raw"], maxBytes: number): Promise<ByteChunks | undefined> {
  if (Number(incoming.headers["content-length"] ?? 0) > maxBytes) {
    readAway(incoming);
    return Promise.resolve(undefined);
  }
  return new Promise((resolve, reject) => {
    const chunks = new ByteChunks();
    const settle = (result: ByteChunks | undefined) => {
      incoming.off("data", onData).off("end", onEnd).off("close", onClose).off("error", reject);
      resolve(result);
    };
    const onData = (chunk: Buffer) => {
      if (chunks.length + chunk.length <= maxBytes) return chunks.add(chunk);
      settle(undefined);
      readAway(incoming);
    };
    const onEnd = () => settle(chunks);
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
