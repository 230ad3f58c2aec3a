/**
 * undici's `fetch` over a connection pool of one's own, in the shape the `openai` client takes. (Node's global
 * `fetch` is another version of undici and accepts no foreign dispatcher.)
 */
import type { ClientOptions } from "openai";
import { type Dispatcher, fetch } from "undici";

type ClientFetch = NonNullable<ClientOptions["fetch"]>;

/** The client sends JSON texts only; streams and forms are refused. */
export function pooledFetch(dispatcher: Dispatcher): ClientFetch {
  return (target, { method = "GET", headers, body, signal } = {}) => {
    if (body !== undefined && body !== null && typeof body !== "string") {
      throw new TypeError(`pooledFetch sends text bodies only; got ${typeof body}`);
    }
    const url = target instanceof Request ? target.url : target;
    return fetch(url, { method, headers: [...new Headers(headers)], body, signal, dispatcher });
  };
}
