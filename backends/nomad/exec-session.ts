/**
 * A command in a running allocation, over the websocket of Nomad's exec API. Its stdin and stdout are one byte
 * stream; stderr is kept for messages. Nomad ends a session that is silent, so a heartbeat goes out every 10 s.
 *
 * There is no backpressure on the socket: what is under way is bounded by the windows of who speaks over it.
 */
import { Duplex } from "node:stream";
import { WebSocket } from "undici";
import { CappedOutput } from "../../src/tools/capped-output.ts";
import type { NomadApi } from "./nomad-api.ts";
import { execMessage } from "./nomad-schemas.ts";

const heartbeatMs = 10_000;
const complaintLimitBytes = 4_096;

export type ExecTarget = { allocationId: string; task: string };
export type SessionEnd = { how: string; exitCode: number | undefined };

export class ExecSession {
  /** The command's stdin and stdout; ends with the session. */
  readonly stream: Duplex;
  readonly #end = Promise.withResolvers<SessionEnd>();
  readonly #socket: WebSocket;
  readonly #complaint = new CappedOutput(complaintLimitBytes);
  readonly #heartbeat: NodeJS.Timeout;
  readonly #opened = Promise.withResolvers<void>();
  #exitCode: number | undefined;
  #failure = "";

  constructor(api: NomadApi, { allocationId, task }: ExecTarget, argv: readonly string[]) {
    const url = api.url(`/v1/client/allocation/${allocationId}/exec`, {
      task,
      tty: "false",
      command: JSON.stringify(argv),
    });
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    this.#socket = new WebSocket(url, { headers: api.headers, dispatcher: api.dispatcher });
    this.#opened.promise.catch(() => {});
    this.stream = this.#openStream();
    this.#socket.addEventListener("open", () => this.#opened.resolve());
    this.#socket.addEventListener("message", ({ data }) => this.#receive(data));
    this.#socket.addEventListener("error", ({ message }) => {
      this.#failure ||= message;
    });
    this.#socket.addEventListener("close", ({ code, reason }) => {
      this.#finish(this.#describeEnd(code, reason));
    });
    this.#heartbeat = setInterval(() => this.#send({}), heartbeatMs);
  }

  /** How it ended. Never rejects. */
  get ended(): Promise<SessionEnd> {
    return this.#end.promise;
  }

  /** What the command wrote to stderr, shortened. */
  get complaint(): string {
    return this.#complaint.bytes().toString().trim();
  }

  /** Does not wait for the other side: it may be gone. */
  close(): void {
    this.#socket.close();
    this.#finish("its exec session was closed");
  }

  #finish(how: string): void {
    clearInterval(this.#heartbeat);
    this.#end.resolve({ how, exitCode: this.#exitCode });
    this.#opened.reject(new Error("closed"));
    if (!this.stream.destroyed) this.stream.push(null);
    this.stream.destroy();
  }

  #openStream(): Duplex {
    return new Duplex({
      read: () => {},
      write: (chunk: Buffer, _encoding, done) => {
        this.#whenOpen(() => this.#send({ stdin: { data: chunk.toString("base64") } }), done);
      },
      final: (done) => this.#whenOpen(() => this.#send({ stdin: { close: true } }), done),
      destroy: (_error, done) => {
        this.close();
        done(null);
      },
    });
  }

  #whenOpen(send: () => void, done: (error?: Error | null) => void): void {
    this.#opened.promise.then(send, () => {}).then(() => done(), done);
  }

  #send(message: unknown): void {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
  }

  #receive(data: unknown): void {
    const message = execMessage.safeParse(parseJson(data));
    if (!message.success) {
      this.#failure ||= `it sent ${String(data).slice(0, 200)}`;
      this.#socket.close();
      return;
    }
    const { stdout, stderr, exited, result } = message.data;
    if (stdout?.data && !this.stream.destroyed) this.stream.push(Buffer.from(stdout.data, "base64"));
    if (stderr?.data) this.#complaint.write(Buffer.from(stderr.data, "base64"));
    if (exited !== true) return;
    this.#exitCode = result?.exit_code ?? 0;
    this.#socket.close();
  }

  #describeEnd(code: number, reason: string): string {
    if (this.#exitCode !== undefined) return `its exec session ended with exit code ${this.#exitCode}`;
    const why = reason || this.#failure || `websocket code ${code}`;
    return `its exec session was lost (${why})`;
  }
}

/** Runs a short command to its end. */
export async function runInAllocation(
  api: NomadApi,
  target: ExecTarget,
  argv: readonly string[],
  signal: AbortSignal,
): Promise<{ exitCode: number | undefined; output: string; how: string }> {
  const session = new ExecSession(api, target, argv);
  const close = () => session.close();
  signal.addEventListener("abort", close, { once: true });
  if (signal.aborted) close();
  let output = "";
  session.stream.on("error", () => {});
  session.stream.on("data", (chunk: Buffer) => {
    if (output.length < complaintLimitBytes) output += chunk.toString();
  });
  const { how, exitCode } = await session.ended;
  signal.removeEventListener("abort", close);
  signal.throwIfAborted();
  return { exitCode, output: (output || session.complaint).trim(), how };
}

function parseJson(data: unknown): unknown {
  try {
    return JSON.parse(String(data));
  } catch {
    return undefined;
  }
}
