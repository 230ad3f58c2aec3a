/** Binds a rollout API to an address, and closes it so that nobody waits for an idle client. */
import { LachesisError } from "../contracts/errors.ts";
import { AccessControl } from "./access.ts";
import { createRolloutApi, type RolloutApiOptions } from "./app.ts";
import { isLoopback } from "./origin-guard.ts";

export type StartOptions = RolloutApiOptions & {
  host: string;
  /** 0 takes any free port. */
  port: number;
  /** Listen for other machines even without tokens. Default false. */
  insecure?: boolean;
};

export interface RunningRolloutApi extends AsyncDisposable {
  /** Where it answers, e.g. http://127.0.0.1:8000. */
  readonly url: string;
  readonly port: number;
  /** Answers what has been asked, for half a second at most, then cuts every connection. Idempotent. */
  close(): Promise<void>;
}

const CLOSE_GRACE_MS = 500;

/**
 * Starts listening. Throws BIND_UNPROTECTED, PORT_IN_USE or SERVER_START_FAILED. The stores stay the caller's.
 * A server that only this machine reaches and that asks for no tokens answers to loopback names and to those
 * of `hosts` alone (see origin-guard.ts).
 */
export async function startRolloutApi({
  host,
  port,
  insecure = false,
  access = new AccessControl(),
  hosts = [],
  ...options
}: StartOptions): Promise<RunningRolloutApi> {
  const isLocal = isLoopback(host);
  if (!isLocal && access.isOpen && !insecure) throw unprotected(host);
  const app = createRolloutApi({ ...options, access, hosts: isLocal && access.isOpen ? hosts : undefined });
  const close = async () => {
    const cut = setTimeout(() => app.server.closeAllConnections(), CLOSE_GRACE_MS);
    await app.close();
    clearTimeout(cut);
  };
  try {
    const url = await app.listen({ host, port });
    return { url, port: Number(new URL(url).port), close, [Symbol.asyncDispose]: close };
  } catch (error) {
    await close();
    throw listenError(error, host, port);
  }
}

function unprotected(host: string): LachesisError {
  return new LachesisError(
    "BIND_UNPROTECTED",
    `refusing to listen on ${host} without tokens: everybody who reaches it could take batches and wipe runs`,
    {
      hint: "Give --token-file FILE (or --token), listen on 127.0.0.1, or say --insecure on a network that you trust.",
    },
  );
}

function listenError(error: unknown, host: string, port: number): LachesisError {
  const where = `${host}:${port}`;
  if (error instanceof Error && "code" in error && error.code === "EADDRINUSE") {
    return new LachesisError("PORT_IN_USE", `can't listen on ${where}: another process has that port`, {
      hint: "Is another run-api running? Stop it, or choose another port with --port (0 takes any free one).",
      cause: error,
    });
  }
  const reason = error instanceof Error ? error.message : String(error);
  return new LachesisError("SERVER_START_FAILED", `can't listen on ${where}: ${reason}`, {
    hint: "Choose an address of this machine and a port that this user may bind (--host, --port).",
    cause: error,
  });
}
