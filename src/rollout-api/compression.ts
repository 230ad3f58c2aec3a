/**
 * Gzip of answers, on zlib's own threads, and only where it pays: to a client on the same machine the bytes go
 * faster than any compressor makes fewer of them.
 */
import { promisify } from "node:util";
import { constants, gzip } from "node:zlib";
import type { FastifyReply, FastifyRequest } from "fastify";
import { isLoopback } from "./origin-guard.ts";

/** To whom answers go compressed, if they take it: to everybody, as the original does, to other machines, to nobody. */
export type GzipPolicy = "always" | "remote" | "never";

const compress = promisify(gzip);

const COMPRESS_FROM_BYTES = 1000;

/**
 * Whether a large answer goes compressed. A client takes it when its Accept-Encoding has "gzip" in it (lower
 * case; the original looks no closer).
 */
export function goesCompressed({ headers, socket }: FastifyRequest, policy: GzipPolicy): boolean {
  if (!String(headers["accept-encoding"] ?? "").includes("gzip")) return false;
  return policy === "always" || (policy === "remote" && !isLoopback(socket.remoteAddress ?? ""));
}

/** Says of a large answer that it depends on what the client takes. */
export function addVary(reply: FastifyReply): void {
  const vary = reply.getHeader("vary");
  reply.header("vary", vary === undefined ? "Accept-Encoding" : `${String(vary)}, Accept-Encoding`);
}

/** The body to send, compressed where it pays, with the headers that say so. */
export async function compressReply(
  request: FastifyRequest,
  reply: FastifyReply,
  body: Buffer,
  policy: GzipPolicy,
): Promise<Buffer> {
  if (body.length < COMPRESS_FROM_BYTES) return body;
  addVary(reply);
  if (!goesCompressed(request, policy)) return body;
  reply.header("content-encoding", "gzip");
  return compress(body, { level: constants.Z_BEST_SPEED });
}
