/** Binds a rollout API to an address, and closes it so that nobody waits for an idle client. */
import { LachesisError } from "../contracts/errors.ts";
import { createRolloutApi, type RolloutApiOptions } from "./app.ts";

export type StartOptions = RolloutApiOptions & {
  host: string;
  /** 0 takes any free port. */
  port: number;
};

export interface RunningRolloutApi extends AsyncDisposable {
  /** Where it answers, e.g. http://127.0.0.1:8000. */
  readonly url: string;
  readonly port: number;
  /** Answers what has been asked, for half a second at most, then cuts every connection. Idempotent. */
  close(): Promise<void>;
}

const CLOSE_GRACE_MS = 500;

/** Starts listening. Throws PORT_IN_USE or SERVER_START_FAILED. The store stays the caller's. */
export async function startRolloutApi({ host, port, ...options }: StartOptions): Promise<RunningRolloutApi> {
  const app = createRolloutApi(options);
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
