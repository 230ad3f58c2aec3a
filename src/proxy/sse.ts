/**
 * Answers as server-sent events. The model's answer is whole before its first piece goes out; a client that streams
 * is kept from giving up on the wait by comments, once it has taken longer than most. Until then a failure still has
 * a status of its own.
 */
import { once } from "node:events";
import type { FastifyReply } from "fastify";
import type { StreamEvent } from "./model-api.ts";
import { type ProxyRefusal, refusalOf } from "./proxy-refusal.ts";

export type StreamOptions<Answer> = {
  reply: FastifyReply;
  answered: Promise<Answer>;
  pieces(answer: Answer): Iterable<StreamEvent>;
  errorEvent(refusal: ProxyRefusal): StreamEvent;
  onFailure(refusal: ProxyRefusal): void;
  /** Wait before the stream is opened without an answer, and between comments. */
  keepAliveMs: number;
};

/** Resolves when all is written or the client is gone. Rejects, with nothing sent, when the answer fails early. */
export async function sendStream<Answer>(options: StreamOptions<Answer>): Promise<void> {
  const { reply, answered, keepAliveMs } = options;
  if (!(await settlesWithin(answered, keepAliveMs))) open(reply);
  while (!(await settlesWithin(answered, keepAliveMs))) {
    if (reply.raw.destroyed) return;
    reply.raw.write(": the model is at work\n\n");
  }
  const events = await eventsOf(options);
  if (!reply.sent) open(reply);
  for (const event of events) {
    if (reply.raw.destroyed) return;
    if (!reply.raw.write(encode(event))) await drained(reply);
  }
  reply.raw.end();
}

async function eventsOf<Answer>(options: StreamOptions<Answer>): Promise<Iterable<StreamEvent>> {
  const { reply, answered, pieces, errorEvent, onFailure } = options;
  try {
    return pieces(await answered);
  } catch (thrown) {
    if (!reply.sent) throw thrown;
    const refusal = refusalOf(thrown);
    onFailure(refusal);
    return [errorEvent(refusal)];
  }
}

function open(reply: FastifyReply): void {
  reply.hijack();
  const headers = Object.fromEntries(
    Object.entries(reply.getHeaders()).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, value]],
    ),
  );
  reply.raw.writeHead(200, {
    ...headers,
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-cache",
    "x-accel-buffering": "no",
  });
}

function encode({ event, data }: StreamEvent): string {
  const text = data === "[DONE]" ? data : JSON.stringify(data);
  return `${event === undefined ? "" : `event: ${event}\n`}data: ${text}\n\n`;
}

async function drained({ raw }: FastifyReply): Promise<void> {
  const gone = new AbortController();
  const onClose = () => gone.abort();
  raw.once("close", onClose);
  try {
    await once(raw, "drain", { signal: gone.signal });
  } catch {
    // The client hung up: the caller sees that the socket is destroyed.
  } finally {
    raw.off("close", onClose);
  }
}

async function settlesWithin(promise: Promise<unknown>, limitMs: number): Promise<boolean> {
  const { promise: late, resolve } = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => resolve(false), limitMs);
  const settled = promise.then(
    () => true,
    () => true,
  );
  try {
    return await Promise.race([settled, late]);
  } finally {
    clearTimeout(timer);
  }
}
