/** Hands weights to a policy server: `POST <url>/weights` with a safetensors file as body, answered by its version. */
import { request } from "undici";
import { z } from "zod";
import { LachesisError } from "../contracts/errors.ts";
import { pause } from "../rollout-api/client-transport.ts";
import { retryDelayMs } from "../rollout-api/retry-delay.ts";
import { encodeWeights, type PolicyWeights } from "../tiny-policy/weights-file.ts";

export type PublishOptions = {
  /** The server's base URL; a password in it is shown to the server as a bearer token. */
  url: string;
  signal: AbortSignal;
  /** Tries before giving up. Default 5, over about four seconds. */
  attempts?: number;
};

const answer = z.object({ version: z.int() });
const TIMEOUT_MS = 60_000;

/**
 * Resolves once the server samples with these weights. Rejects with WEIGHTS_PUSH_FAILED when it refuses them, or
 * is away for too long, or with the signal's reason.
 */
export async function publishWeights(
  policy: PolicyWeights,
  { url, signal, attempts = 5 }: PublishOptions,
): Promise<void> {
  const { target, authorization } = readUrl(url);
  const body = encodeWeights(policy);
  for (let failures = 1; ; failures++) {
    const outcome = await post(target, { body, authorization, signal });
    if (outcome.kind === "answered" && outcome.version === policy.version) return;
    const problem =
      outcome.kind === "answered"
        ? `the server answers with version ${outcome.version}, expected ${policy.version}`
        : outcome.problem;
    if (outcome.kind !== "away" || failures >= attempts) {
      throw new LachesisError("WEIGHTS_PUSH_FAILED", `POST ${target.href}: ${problem}`);
    }
    await pause(retryDelayMs({ failures, nowMs: Date.now(), random: Math.random }), signal);
  }
}

type Outcome =
  | { kind: "answered"; version: number }
  | { kind: "refused"; problem: string }
  /** Worth another try. */
  | { kind: "away"; problem: string };

type PostOptions = { body: Uint8Array; authorization: string | undefined; signal: AbortSignal };

async function post(target: URL, { body, authorization, signal }: PostOptions): Promise<Outcome> {
  signal.throwIfAborted();
  try {
    const response = await request(target, {
      method: "POST",
      headers: {
        "content-type": "application/octet-stream",
        accept: "application/json",
        ...(authorization !== undefined && { authorization }),
      },
      body,
      signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
    });
    const text = await response.body.text();
    const words = `${response.statusCode} ${text.slice(0, 300)}`;
    if (response.statusCode >= 500) return { kind: "away", problem: words };
    const version = answer.safeParse(parseJson(text));
    if (response.statusCode >= 400 || !version.success) return { kind: "refused", problem: words };
    return { kind: "answered", version: version.data.version };
  } catch (error) {
    signal.throwIfAborted();
    const reason = error instanceof Error ? error.message || error.name : String(error);
    return { kind: "away", problem: reason };
  }
}

function readUrl(url: string): { target: URL; authorization: string | undefined } {
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) {
    throw new LachesisError(
      "CONFIG_INVALID",
      `policy server URL: expected http(s)://host:port, got "${url}"`,
    );
  }
  const target = new URL("weights", url.endsWith("/") ? url : `${url}/`);
  const password = decodeURIComponent(target.password);
  target.username = "";
  target.password = "";
  return { target, authorization: password === "" ? undefined : `Bearer ${password}` };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
