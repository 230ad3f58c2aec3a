/**
 * The one way from the browser to the network: an HTTP proxy on a loopback port that judges every connection,
 * whatever made the browser ask for it (a redirect, a script, a picture, a web socket). The browser resolves no
 * names itself, so a name can't change its address behind the guard's back.
 */
import { once } from "node:events";
import {
  Agent,
  createServer,
  type IncomingMessage,
  request,
  type Server,
  type ServerResponse,
} from "node:http";
import { connect } from "node:net";
import type { Duplex } from "node:stream";
import { LachesisError } from "../../contracts/errors.ts";
import { type AddressGuard, pinnedLookup } from "../web/address-guard.ts";

/** Names kept of hosts that were refused. */
const rememberedRefusals = 200;
const hopByHop = new Set([
  "proxy-connection",
  "proxy-authorization",
  "connection",
  "keep-alive",
  "te",
  "trailer",
]);

/** Header of the proxy's own answers: why the guard refused. */
export const blockedHeader = "x-lachesis-blocked";

export class GuardedProxy implements AsyncDisposable {
  readonly url: string;
  readonly #server: Server;
  readonly #guard: AddressGuard;
  readonly #agent = new Agent({ keepAlive: true });
  readonly #tunnels = new Set<Duplex>();
  readonly #refusals = new Map<string, string>();
  readonly #closing = new AbortController();

  static async open(guard: AddressGuard): Promise<GuardedProxy> {
    const server = createServer();
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return new GuardedProxy(server, guard);
  }

  private constructor(server: Server, guard: AddressGuard) {
    const address = server.address();
    if (address === null || typeof address === "string") {
      throw new LachesisError("INTERNAL", "The browser's proxy has no port.");
    }
    this.#server = server;
    this.#guard = guard;
    this.url = `http://127.0.0.1:${address.port}`;
    server.on("request", (incoming, response) => {
      this.#forward(incoming, response).catch((error: unknown) => refuse(response, 502, String(error)));
    });
    server.on("connect", (incoming, socket, head) => {
      this.#tunnel(incoming, socket, head).catch(() => socket.destroy());
    });
  }

  /** Why the host was refused of late, if it was. */
  refusalOf(hostname: string): string | undefined {
    return this.#refusals.get(hostname);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closing.signal.aborted) return;
    this.#closing.abort(new LachesisError("BROWSER_FAILED", "The browser's proxy was closed."));
    for (const tunnel of this.#tunnels) tunnel.destroy();
    this.#agent.destroy();
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }

  async #forward(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = URL.parse(incoming.url ?? "");
    if (url?.protocol !== "http:") return refuse(response, 400, "The proxy takes whole http URLs only.");
    const port = Number(url.port) || 80;
    const verdict = await this.#judge(url.hostname, port);
    if (!verdict.ok) return refuse(response, verdict.blocked ? 403 : 502, verdict.reason, verdict.blocked);
    const outgoing = request({
      host: url.hostname.replace(/^\[(.*)\]$/, "$1"),
      port,
      method: incoming.method,
      path: `${url.pathname}${url.search}`,
      headers: withoutHopByHop(incoming.rawHeaders),
      agent: this.#agent,
      lookup: pinnedLookup(verdict.addresses),
    });
    outgoing.on("response", (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.statusMessage, withoutHopByHop(answer.rawHeaders));
      answer.on("error", () => response.destroy());
      answer.pipe(response);
    });
    outgoing.on("error", (error) => refuse(response, 502, error.message));
    response.on("close", () => outgoing.destroy());
    incoming.pipe(outgoing);
  }

  async #tunnel(incoming: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    this.#tunnels.add(socket);
    socket.on("close", () => this.#tunnels.delete(socket));
    socket.on("error", () => socket.destroy());
    const url = URL.parse(`http://${incoming.url}`);
    if (url === null) return endWith(socket, 400);
    const port = Number(url.port) || 80;
    const verdict = await this.#judge(url.hostname, port);
    if (!verdict.ok) return endWith(socket, verdict.blocked ? 403 : 502);
    const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
    const target = connect({ host, port, lookup: pinnedLookup(verdict.addresses), autoSelectFamily: true });
    target.on("error", () => endWith(socket, 502));
    target.on("close", () => socket.destroy());
    socket.on("close", () => target.destroy());
    target.on("connect", () => {
      socket.write("HTTP/1.1 200 Connection Established\r\n\r\n");
      target.write(head);
      target.pipe(socket);
      socket.pipe(target);
    });
  }

  async #judge(hostname: string, port: number) {
    const verdict = await this.#guard.judge(hostname, port, { signal: this.#closing.signal });
    if (verdict.ok || !verdict.blocked) return verdict;
    const [oldest] = this.#refusals.keys();
    if (this.#refusals.size >= rememberedRefusals && oldest !== undefined) this.#refusals.delete(oldest);
    this.#refusals.set(hostname, verdict.reason);
    return verdict;
  }
}

function refuse(response: ServerResponse, status: number, reason: string, blocked = false): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  response.writeHead(status, {
    "content-type": "text/plain; charset=utf-8",
    ...(blocked && { [blockedHeader]: encodeURIComponent(reason) }),
  });
  response.end(`${blocked ? "Blocked" : "Not reached"}: ${reason}`);
}

function endWith(socket: Duplex, status: number): void {
  if (!socket.destroyed) socket.end(`HTTP/1.1 ${status} Refused\r\ncontent-length: 0\r\n\r\n`);
}

function withoutHopByHop(rawHeaders: readonly string[]): string[] {
  const kept: string[] = [];
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    const [name = "", value = ""] = rawHeaders.slice(index, index + 2);
    if (!hopByHop.has(name.toLowerCase())) kept.push(name, value);
  }
  return kept;
}
