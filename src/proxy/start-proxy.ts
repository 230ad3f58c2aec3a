/** Binds a proxy to an address. */
import { LachesisError } from "../contracts/errors.ts";
import { AccessControl } from "../rollout-api/access.ts";
import { isLoopback } from "../rollout-api/origin-guard.ts";
import { createProxy, type ProxyOptions } from "./app.ts";

export type StartProxyOptions = ProxyOptions & {
  host: string;
  /** 0 takes any free one. */
  port: number;
  /** Listen for other machines even without a token. Default false. */
  insecure?: boolean;
};

export interface RunningProxy extends AsyncDisposable {
  /** Where it answers, e.g. http://127.0.0.1:9100. */
  readonly url: string;
  /** Breaks off what is being sampled and cuts every connection. Idempotent. */
  close(): Promise<void>;
}

/** Rejects with BIND_UNPROTECTED, PORT_IN_USE or SERVER_START_FAILED. The inference servers stay the caller's. */
export async function startProxy(options: StartProxyOptions): Promise<RunningProxy> {
  const { host, port, insecure = false, access = new AccessControl(), hosts = [], ...rest } = options;
  const isLocal = isLoopback(host);
  if (!isLocal && access.isOpen && !insecure) {
    throw new LachesisError(
      "BIND_UNPROTECTED",
      `refusing to listen on ${host} without a token: everybody who reaches it could play, read and score sessions`,
      { hint: "Give --token, listen on 127.0.0.1, or say --insecure on a network that you trust." },
    );
  }
  const app = createProxy({ ...rest, access, hosts: isLocal && access.isOpen ? hosts : undefined });
  let closed: Promise<void> | undefined;
  const close = () => {
    closed ??= app.close();
    return closed;
  };
  try {
    const url = await app.listen({ host, port });
    return { url, close, [Symbol.asyncDispose]: close };
  } catch (thrown) {
    await close();
    throw listenError(thrown, `${host}:${port}`);
  }
}

function listenError(thrown: unknown, where: string): LachesisError {
  if (thrown instanceof Error && "code" in thrown && thrown.code === "EADDRINUSE") {
    return new LachesisError("PORT_IN_USE", `can't listen on ${where}: another process has that port`, {
      hint: "Is another proxy running? Stop it, or choose another port with --port (0 takes any free one).",
      cause: thrown,
    });
  }
  const reason = thrown instanceof Error ? thrown.message : String(thrown);
  return new LachesisError("SERVER_START_FAILED", `can't listen on ${where}: ${reason}`, { cause: thrown });
}
