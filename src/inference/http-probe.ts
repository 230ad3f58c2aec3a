/**
 * Asks an HTTP server whether it is up. Plain node:http with an unreferenced socket, because a probe in the
 * background must not keep a finished process alive, and pooled clients reference a socket while it is in use.
 */
import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import type { LachesisError } from "../contracts/errors.ts";
import { rootMessage, ServerFailure } from "./server-failure.ts";

const probeTimeoutMs = 5_000;

/** Null when the server behind the URL is up, else why it is not. Never rejects. */
export async function probeServer(
  { url, apiKey }: { url: string; apiKey: string },
  { signal }: { signal: AbortSignal },
): Promise<LachesisError | null> {
  const headers: Record<string, string> = apiKey ? { authorization: `Bearer ${apiKey}` } : {};
  try {
    const status = await probeHttp({ url, headers, timeoutMs: probeTimeoutMs }, { signal });
    // A server that does not know the path, or wants another key for it, is up all the same.
    return status < 500 ? null : new ServerFailure("server-error", `GET ${url} answered ${status}`);
  } catch (thrown) {
    return new ServerFailure("unreachable", `GET ${url} failed: ${rootMessage(thrown)}`, { cause: thrown });
  }
}

type HttpProbeRequest = { url: string; headers: Record<string, string>; timeoutMs: number };

/** The answer's status code. Rejects when there is none in time, or with the signal's reason. */
async function probeHttp(
  { url, headers, timeoutMs }: HttpProbeRequest,
  { signal }: { signal: AbortSignal },
): Promise<number> {
  signal.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const send = new URL(url).protocol === "https:" ? httpsRequest : httpRequest;
  const request = send(url, { headers, agent: false }, (response) => {
    resolve(response.statusCode ?? 0);
    request.destroy();
  });
  const onAbort = () => request.destroy(new Error("aborted"));
  const timer = setTimeout(() => request.destroy(new Error(`no answer in ${timeoutMs} ms`)), timeoutMs);
  timer.unref();
  signal.addEventListener("abort", onAbort, { once: true });
  request.once("socket", (socket) => socket.unref());
  request.once("close", () => {
    clearTimeout(timer);
    signal.removeEventListener("abort", onAbort);
    reject(new Error("the connection was closed"));
  });
  request.on("error", (error) => reject(signal.aborted ? signal.reason : error));
  request.end();
  return promise;
}
