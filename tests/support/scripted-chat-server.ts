/** A real HTTP server on loopback that does, POST by POST, what a test says: a chat server, or any other. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";

export type ChatCall = {
  /** 0 for the first POST this server got. */
  index: number;
  body: Record<string, unknown>;
  headers: IncomingMessage["headers"];
  path: string;
};

export type ChatScript = (call: ChatCall, response: ServerResponse) => unknown;

export const completion = (contents: readonly (string | null)[], rest: object = {}) => ({
  id: "chatcmpl-1",
  object: "chat.completion",
  created: 1,
  model: "scripted",
  choices: contents.map((content, index) => ({
    index,
    message: { role: "assistant", content },
    finish_reason: "stop",
  })),
  usage: { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 },
  ...rest,
});

export function sendJson(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: object = {},
): void {
  response.writeHead(status, { "content-type": "application/json", ...headers });
  response.end(JSON.stringify(body));
}

export const sendError = (response: ServerResponse, status: number, message: string, headers: object = {}) =>
  sendJson(response, status, { error: { message, type: "error", code: null } }, headers);

export class ScriptedChatServer implements AsyncDisposable {
  readonly calls: ChatCall[] = [];
  /** Requests other than POST, as "METHOD /path". */
  readonly others: string[] = [];
  /** What a GET of these paths answers; of all others an empty list. */
  pages: Record<string, unknown> = {};
  modelsStatus = 200;
  inFlight = 0;
  peakInFlight = 0;
  connections = 0;
  openConnections = 0;
  script: ChatScript;
  readonly #server: Server;

  private constructor(script: ChatScript) {
    this.script = script;
    this.#server = createServer((request, response) => void this.#serve(request, response));
    this.#server.on("connection", (socket) => {
      this.connections += 1;
      this.openConnections += 1;
      socket.once("close", () => {
        this.openConnections -= 1;
      });
    });
  }

  static async start(script: ChatScript, port = 0): Promise<ScriptedChatServer> {
    const scripted = new ScriptedChatServer(script);
    await new Promise<void>((resolve, reject) => {
      scripted.#server.once("error", reject).listen(port, "127.0.0.1", resolve);
    });
    return scripted;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}/v1`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method, url: path = "", headers } = request;
    if (method !== "POST") {
      this.others.push(`${method} ${path}`);
      sendJson(response, this.modelsStatus, this.pages[path] ?? { object: "list", data: [] });
      return;
    }
    this.inFlight += 1;
    this.peakInFlight = Math.max(this.peakInFlight, this.inFlight);
    response.once("close", () => {
      this.inFlight -= 1;
    });
    const call = { index: this.calls.length, body: JSON.parse(await text(request)), headers, path };
    this.calls.push(call);
    await this.script(call, response);
  }
}

/**
 * A port on loopback where nobody listens: assigned to no service, none that `fetch` blocks, and below those that
 * the system hands out, so that no other test's server comes to be there.
 */
export const deadPort = 4;
