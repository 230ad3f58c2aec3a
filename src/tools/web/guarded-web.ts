/**
 * Fetches what the model asks for from the web, through the address guard: http and https only, every hop of
 * a redirect judged anew, the connection made to the judged addresses, sizes and times capped. What goes
 * wrong with a page is a result, never an error of the machinery.
 */
import { Agent, buildConnector, fetch, type Response } from "undici";
import { type AddressGuard, pinnedLookup } from "./address-guard.ts";

const mostRedirects = 5;
const userAgent = "Mozilla/5.0 (compatible; Lachesis)";

export type WebAnswer =
  | { ok: true; url: string; status: number; contentType: string; body: Uint8Array }
  | WebRefusal;

/** `error` is written for the model; `blocked`: the guard forbids the address. */
export type WebRefusal = { ok: false; error: string; blocked: boolean };

export type WebLimits = { timeoutMs: number; maxBytes: number; signal: AbortSignal };

export class GuardedWeb implements AsyncDisposable {
  readonly guard: AddressGuard;
  readonly #agent: Agent;

  constructor({ guard }: { guard: AddressGuard }) {
    this.guard = guard;
    this.#agent = new Agent({ connect: guardedConnector(guard), connections: 16 });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#agent.destroy();
  }

  /** Whether the address may be asked at all; null = it may. Names that don't resolve here may: others may know them. */
  async refuse(url: string, { signal }: { signal: AbortSignal }): Promise<WebRefusal | null> {
    const target = parseTarget(url);
    if ("error" in target) return target;
    const verdict = await this.guard.judge(target.url.hostname, portOf(target.url), { signal });
    return verdict.ok || !verdict.blocked ? null : refusal(`Blocked: ${verdict.reason}.`, true);
  }

  /** GETs a page. Rejects only when `signal` aborts. */
  async get(url: string, { timeoutMs, maxBytes, signal }: WebLimits): Promise<WebAnswer> {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
    try {
      let target = parseTarget(url);
      for (let hop = 0; hop <= mostRedirects; hop++) {
        if ("error" in target) return target;
        const response = await this.#request(target.url, limit);
        const location = response.headers.get("location");
        if (response.status < 300 || response.status > 399 || location === null) {
          return await readAnswer(target.url, response, maxBytes);
        }
        await response.body?.cancel();
        target = parseTarget(location, target.url);
      }
      return refusal(`${url} redirects more than ${mostRedirects} times.`);
    } catch (thrown) {
      signal.throwIfAborted();
      if (limit.aborted) return refusal(`${url} did not answer within ${timeoutMs / 1000} s.`);
      return fromThrown(url, thrown);
    }
  }

  #request(url: URL, signal: AbortSignal): Promise<Response> {
    const headers = { "user-agent": userAgent, accept: "text/html,text/*;q=0.9,*/*;q=0.5" };
    return fetch(url, { redirect: "manual", headers, signal, dispatcher: this.#agent });
  }
}

/** What the guard throws inside a connection, to be found again in what `fetch` wraps it in. */
class RefusedConnection extends Error {
  readonly blocked: boolean;

  constructor(reason: string, blocked: boolean) {
    super(reason);
    this.blocked = blocked;
  }
}

function guardedConnector(guard: AddressGuard): buildConnector.connector {
  return (options, callback) => {
    const port = Number(options.port) || (options.protocol === "https:" ? 443 : 80);
    guard
      .judge(options.hostname, port, { signal: AbortSignal.timeout(10_000) })
      .then((verdict) => {
        if (!verdict.ok) throw new RefusedConnection(verdict.reason, verdict.blocked);
        const connect = buildConnector({ lookup: pinnedLookup(verdict.addresses), timeout: 10_000 });
        connect(options, callback);
      })
      .catch((error: unknown) => callback(error instanceof Error ? error : new Error(String(error)), null));
  };
}

function parseTarget(text: string, base?: URL): { url: URL } | WebRefusal {
  const url = URL.parse(text, base?.href);
  if (url === null) return refusal(`${text} is no URL: write it whole, e.g. https://example.org/.`);
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    return refusal(`${url.protocol} URLs can't be opened, only http: and https:.`, true);
  }
  return { url };
}

/** The port that a URL means. */
export function portOf(url: URL): number {
  return Number(url.port) || (url.protocol === "https:" || url.protocol === "wss:" ? 443 : 80);
}

async function readAnswer(url: URL, response: Response, maxBytes: number): Promise<WebAnswer> {
  const contentType = response.headers.get("content-type") ?? "";
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength;
    // Leaving the loop cancels the rest of the body.
    if (bytes > maxBytes) return refusal(`${url} is larger than ${maxBytes} bytes.`);
    chunks.push(chunk);
  }
  return { ok: true, url: url.href, status: response.status, contentType, body: Buffer.concat(chunks) };
}

function fromThrown(url: string, thrown: unknown): WebRefusal {
  let deepest = thrown;
  while (deepest instanceof Error && deepest.cause !== undefined) {
    if (deepest instanceof RefusedConnection) break;
    deepest = deepest.cause;
  }
  if (deepest instanceof RefusedConnection) {
    return refusal(`${deepest.blocked ? "Blocked" : "Not found"}: ${deepest.message}.`, deepest.blocked);
  }
  const reason = deepest instanceof Error ? deepest.message : String(deepest);
  return refusal(`${url} could not be fetched: ${reason}`);
}

function refusal(error: string, blocked = false): WebRefusal {
  return { ok: false, error, blocked };
}
