/**
 * A Daytona on loopback: the part of its documented HTTP API (sandboxes, files, terminals) that its SDK calls for us.
 * Each "sandbox" is a directory and a real terminal behind bubblewrap. As in Daytona's daemon, every read of the
 * terminal is one message, and a client with more than 256 messages in its queue is dropped.
 */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import Fastify, { type FastifyRequest } from "fastify";
import { type WebSocket, WebSocketServer } from "ws";
import { z } from "zod";

const creation = z.object({
  labels: z.record(z.string(), z.string()).default({}),
  snapshot: z.string().optional(),
  buildInfo: z.object({ dockerfileContent: z.string() }).optional(),
  cpu: z.number().optional(),
  memory: z.number().optional(),
  disk: z.number().optional(),
  autoStopInterval: z.number().optional(),
  autoDeleteInterval: z.number().optional(),
  networkBlockAll: z.boolean().optional(),
});
export type DaytonaCreation = z.output<typeof creation>;

export type DaytonaServerOptions = {
  /** The only key that may do anything. Default: "key". */
  apiKey?: string;
  /** Builds of this image fail. */
  brokenImage?: string;
  /** Milliseconds that a sandbox takes to start. */
  startMs?: number;
  /** Milliseconds that each message of a terminal takes to its client. */
  messageMs?: number;
};

/** Forks a shell on a new terminal; each read of it goes to stdout with its length before it. */
const terminalProgram = `
import os, pty, select, struct, sys
pid, fd = pty.fork()
if pid == 0: os.execvp(sys.argv[1], sys.argv[1:])
os.set_blocking(fd, False)
pending = b""
while True:
    readable, writable, _ = select.select([fd] + ([0] if len(pending) < 65536 else []), [fd] if pending else [], [])
    if fd in readable:
        try: data = os.read(fd, 32768)
        except BlockingIOError: data = None
        except OSError: break
        if data == b"": break
        if data:
            block = struct.pack(">I", len(data)) + data
            while block: block = block[os.write(1, block):]
    if fd in writable:
        try: pending = pending[os.write(fd, pending):]
        except BlockingIOError: pass
    if 0 in readable:
        data = os.read(0, 65536)
        if not data: break
        pending += data
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) & 255)
`;
const queueLimit = 256;

export class DaytonaServer implements AsyncDisposable {
  readonly #options: DaytonaServerOptions;
  readonly #app = Fastify({ forceCloseConnections: true });
  readonly #sockets = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    maxPayload: 64 * 1_024,
  });
  readonly sandboxes = new Map<string, FakeSandbox>();
  /** Signs of life that clients sent. */
  activities = 0;
  address = "";

  constructor(options: DaytonaServerOptions) {
    this.#options = options;
  }

  static async open(options: DaytonaServerOptions = {}): Promise<DaytonaServer> {
    const server = new DaytonaServer(options);
    server.#route();
    await server.#app.listen({ host: "127.0.0.1", port: 0 });
    const { port } = server.#app.server.address() as AddressInfo;
    server.address = `http://127.0.0.1:${port}`;
    return server;
  }

  get apiUrl(): string {
    return `${this.address}/api`;
  }

  /** What was made and not deleted. */
  live(): FakeSandbox[] {
    return [...this.sandboxes.values()].filter(({ state }) => state !== "destroyed");
  }

  async add(wish: DaytonaCreation): Promise<FakeSandbox> {
    const sandbox = await FakeSandbox.open(wish, this.#options);
    this.sandboxes.set(sandbox.id, sandbox);
    return sandbox;
  }

  async stopServing(): Promise<void> {
    for (const socket of this.#sockets.clients) socket.terminate();
    await this.#app.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stopServing();
    await Promise.all([...this.sandboxes.values()].map((sandbox) => sandbox.destroy()));
  }

  #route(): void {
    const app = this.#app;
    const find = (request: FastifyRequest) =>
      this.sandboxes.get(z.object({ id: z.string() }).parse(request.params).id);
    app.addContentTypeParser("multipart/form-data", { parseAs: "buffer" }, (_request, body, done) =>
      done(null, body),
    );
    app.addHook("onRequest", async (request, reply) => {
      if (this.#allows(request.headers.authorization)) return;
      await reply.code(401).send({ statusCode: 401, message: "Invalid credentials", error: "Unauthorized" });
    });
    app.post("/api/sandbox", async (request) => {
      const sandbox = await this.add(creation.parse(request.body));
      return sandbox.describe(`${this.address}/toolbox`);
    });
    app.get("/api/sandbox", async (request) => {
      const query = z.object({ labels: z.string().default("{}") }).parse(request.query);
      const wanted = Object.entries(z.record(z.string(), z.string()).parse(JSON.parse(query.labels)));
      const items = this.live()
        .filter(({ wish }) => wanted.every(([name, value]) => wish.labels[name] === value))
        .map((sandbox) => sandbox.describe(`${this.address}/toolbox`));
      return { items, nextCursor: null };
    });
    app.get("/api/sandbox/:id", async (request, reply) => {
      const sandbox = find(request);
      if (sandbox === undefined || sandbox.state === "destroyed") {
        return reply.code(404).send({ statusCode: 404, message: "Sandbox not found", error: "Not Found" });
      }
      return sandbox.describe(`${this.address}/toolbox`);
    });
    app.delete("/api/sandbox/:id", async (request, reply) => {
      const sandbox = find(request);
      if (sandbox === undefined)
        return reply.code(404).send({ statusCode: 404, message: "Sandbox not found" });
      await sandbox.destroy();
      return sandbox.describe(`${this.address}/toolbox`);
    });
    app.post("/api/sandbox/:id/last-activity", async () => {
      this.activities += 1;
      return {};
    });
    app.post("/toolbox/:id/files/bulk-upload", async (request, reply) => {
      const form = await new Response(request.body as Buffer<ArrayBuffer>, {
        headers: { "content-type": request.headers["content-type"] ?? "" },
      }).formData();
      const file = form.get("files[0].file");
      const path = z.string().startsWith("/tmp/").parse(form.get("files[0].path"));
      if (!(file instanceof File)) return reply.code(400).send({ message: "no file" });
      await find(request)?.writeTemporary(basename(path), Buffer.from(await file.arrayBuffer()));
      return {};
    });
    app.server.on("upgrade", (request, socket, head) => {
      const path = new URL(request.url ?? "/", "http://daytona").pathname;
      const id = /^\/toolbox\/([^/]+)\/process\/pty\/create-connect$/.exec(path)?.[1] ?? "";
      const sandbox = this.sandboxes.get(id);
      if (sandbox === undefined || !this.#allows(request.headers.authorization)) {
        socket.destroy();
        return;
      }
      this.#sockets.handleUpgrade(request, socket, head, (client) => sandbox.openTerminal(client));
    });
  }

  #allows(authorization: unknown): boolean {
    return authorization === `Bearer ${this.#options.apiKey ?? "key"}`;
  }
}

export class FakeSandbox {
  readonly id = randomUUID();
  readonly wish: DaytonaCreation;
  readonly #options: DaytonaServerOptions;
  readonly #directory: string;
  readonly #terminals = new Map<ChildProcessWithoutNullStreams, Promise<void>>();
  state = "creating";
  #errorReason: string | undefined;

  private constructor(wish: DaytonaCreation, options: DaytonaServerOptions, directory: string) {
    this.wish = wish;
    this.#options = options;
    this.#directory = directory;
    const isBroken =
      options.brokenImage !== undefined && wish.buildInfo?.dockerfileContent.includes(options.brokenImage);
    if (isBroken) {
      this.state = "build_failed";
      this.#errorReason = `failed to pull ${options.brokenImage}: not found`;
    } else {
      void sleep(options.startMs ?? 0).then(() => {
        if (this.state === "creating") this.state = "started";
      });
    }
  }

  static async open(wish: DaytonaCreation, options: DaytonaServerOptions): Promise<FakeSandbox> {
    const directory = await mkdtemp(join(tmpdir(), "daytona-sandbox-"));
    await mkdir(join(directory, "tmp"));
    await mkdir(join(directory, "home"));
    return new FakeSandbox(wish, options, directory);
  }

  describe(toolboxProxyUrl: string) {
    return {
      id: this.id,
      organizationId: "organization",
      name: this.id,
      user: "daytona",
      env: {},
      ...this.wish,
      public: false,
      target: "loopback",
      state: this.state,
      errorReason: this.#errorReason,
      toolboxProxyUrl,
    };
  }

  async writeTemporary(name: string, content: Buffer): Promise<void> {
    await writeFile(join(this.#directory, "tmp", name), content);
  }

  openTerminal(client: WebSocket): void {
    const mounts = ["usr", "bin", "sbin", "lib", "lib64", "etc", "opt"].flatMap((name) => [
      "--ro-bind-try",
      `/${name}`,
      `/${name}`,
    ]);
    const walls = [
      ...[...mounts, "--dev", "/dev", "--proc", "/proc", "--bind", join(this.#directory, "tmp"), "/tmp"],
      ...["--bind", join(this.#directory, "home"), "/home/daytona", "--chdir", "/home/daytona"],
      ...["--unshare-pid", "--unshare-ipc", "--unshare-uts", "--die-with-parent"],
    ];
    const child = spawn("bwrap", [...walls, "--", "python3", "-c", terminalProgram, "bash", "-i", "-l"], {
      detached: true,
      env: { PATH: "/usr/local/bin:/usr/bin:/bin", TERM: "xterm-256color", HOME: "/home/daytona" },
    });
    const closed = new Promise<void>((resolve) => child.once("close", () => resolve()));
    this.#terminals.set(child, closed);
    child.stdin.on("error", () => {});
    child.stderr.resume();

    let heard: Buffer = Buffer.alloc(0);
    let queued = 0;
    let lastSend = Promise.resolve();
    const send = (block: Buffer) => {
      queued += 1;
      if (queued > queueLimit) {
        client.close(1008, "slow consumer");
        return;
      }
      lastSend = lastSend.then(async () => {
        if (this.#options.messageMs !== undefined) await sleep(this.#options.messageMs);
        await new Promise<void>((resolve) => client.send(block, () => resolve()));
        queued -= 1;
      });
    };
    child.stdout.on("data", (chunk: Buffer) => {
      heard = Buffer.concat([heard, chunk]);
      while (heard.length >= 4 && heard.length >= 4 + heard.readUInt32BE()) {
        const end = 4 + heard.readUInt32BE();
        send(heard.subarray(4, end));
        heard = heard.subarray(end);
      }
    });
    child.once("close", (exitCode) => {
      this.#terminals.delete(child);
      if (client.readyState !== client.OPEN) return;
      client.send(JSON.stringify({ type: "control", status: "exited", exitCode: exitCode ?? 137 }));
      client.close(exitCode === 0 ? 1000 : 1011, JSON.stringify({ exitCode: exitCode ?? 137 }));
    });
    child.stdin.on("drain", () => client.resume());
    client.on("message", (data: Buffer) => {
      if (!child.stdin.write(data)) client.pause();
    });
    client.send(JSON.stringify({ type: "control", status: "connected" }));
  }

  /** What a crash of its runner does. */
  async kill(): Promise<void> {
    this.state = "error";
    this.#errorReason = "runner lost";
    await this.#killTerminals();
  }

  async destroy(): Promise<void> {
    this.state = "destroyed";
    await this.#killTerminals();
    await rm(this.#directory, { recursive: true, force: true });
  }

  async #killTerminals(): Promise<void> {
    const terminals = [...this.#terminals];
    for (const [{ pid }] of terminals) {
      try {
        if (pid !== undefined) process.kill(-pid, "SIGKILL");
      } catch {
        // It was gone already.
      }
    }
    await Promise.all(terminals.map(([, closed]) => closed));
  }
}
