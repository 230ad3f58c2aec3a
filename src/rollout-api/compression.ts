/**
 * Gzip both ways. Requests: any Content-Encoding with "gzip" in it. Responses: from 1000 bytes, when the
 * client's Accept-Encoding has "gzip" in it (lower case; the original looks no closer). Both run on zlib's own
 * threads.
 */
import { promisify } from "node:util";
import { constants, gunzip, gzip } from "node:zlib";
import type { FastifyReply, FastifyRequest } from "fastify";
import { type Answer, detailAnswer, textAnswer } from "./answer.ts";

const inflate = promisify(gunzip);
const deflate = promisify(gzip);

const COMPRESS_FROM_BYTES = 1000;
/** Inflating in few large steps keeps the work off the main thread. */
const LARGEST_CHUNK_BYTES = 1024 * 1024;

/** Puts the inflated bytes in place of a compressed body; the answer to give when that fails. */
export async function inflateBody(
  request: FastifyRequest,
  maxInflatedBytes: number,
): Promise<Answer | undefined> {
  const encoding = request.headers["content-encoding"] ?? "";
  if (!/gzip/i.test(encoding) || !Buffer.isBuffer(request.body) || request.body.length === 0)
    return undefined;
  try {
    const chunkSize = Math.min(LARGEST_CHUNK_BYTES, constants.Z_DEFAULT_CHUNK + 4 * request.body.length);
    request.body = await inflate(request.body, { maxOutputLength: maxInflatedBytes, chunkSize });
    return undefined;
  } catch (error) {
    if (error instanceof RangeError)
      return detailAnswer(413, `Body larger than ${maxInflatedBytes} bytes when inflated`);
    return textAnswer("Invalid gzip payload", 400);
  }
}

/** The body to send, compressed where the client takes it, with the headers that say so. */
export async function deflateReply(
  request: FastifyRequest,
  reply: FastifyReply,
  body: Buffer,
): Promise<Buffer> {
  if (body.length < COMPRESS_FROM_BYTES) return body;
  const vary = reply.getHeader("vary");
  reply.header("vary", vary === undefined ? "Accept-Encoding" : `${String(vary)}, Accept-Encoding`);
  if (!String(request.headers["accept-encoding"] ?? "").includes("gzip")) return body;
  reply.header("content-encoding", "gzip");
  return deflate(body, { level: constants.Z_BEST_SPEED });
}
