/**
 * Puts answers on the wire. Short ones go through Fastify, and through the compressor. A batch is megabytes in
 * a dozen parts: they go to the socket as they are, in one write, without ever lying side by side in memory.
 */
import type { FastifyReply } from "fastify";
import type { Answer, PartedAnswer } from "./answer.ts";
import { addVary, type GzipPolicy, goesCompressed } from "./compression.ts";

const LONG_BYTES = 64 * 1024;

export function sendAnswer(
  reply: FastifyReply,
  answer: Answer | PartedAnswer,
  gzip: GzipPolicy,
): FastifyReply {
  const { status, contentType, headers = {} } = answer;
  reply.code(status).headers(headers);
  if (contentType === undefined) return reply.send();
  reply.header("content-type", contentType);
  if ("body" in answer) return reply.send(answer.body);
  const { parts } = answer;
  const length = parts.reduce((sum, { length: bytes }) => sum + bytes, 0);
  // The compressor, too, wants it whole.
  if (length < LONG_BYTES || goesCompressed(reply.request, gzip))
    return reply.send(Buffer.concat(parts, length));
  addVary(reply);
  reply.header("content-length", length).hijack();
  sendParts(reply, parts);
  return reply;
}

function sendParts(reply: FastifyReply, parts: readonly Buffer[]): void {
  const { raw } = reply;
  // Nobody is there any more: whoever watches the answer has been told by the connection's end.
  if (raw.destroyed) return;
  raw.writeHead(reply.statusCode, headersOf(reply));
  raw.cork();
  for (const part of parts) raw.write(part);
  raw.end();
}

function headersOf(reply: FastifyReply): Record<string, number | string | string[]> {
  const headers: Record<string, number | string | string[]> = {};
  for (const [name, value] of Object.entries(reply.getHeaders())) {
    if (value !== undefined) headers[name] = value;
  }
  return headers;
}
