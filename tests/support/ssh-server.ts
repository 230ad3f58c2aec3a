/**
 * A real sshd on loopback with keys and, where the tests run as root, a user account that exist for one test only:
 * the account is a line in a private copy of /etc/passwd, the machine stays as it is. In front of it stands a relay
 * that can cut the network or let it fall silent.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { userInfo } from "node:os";
import { join } from "node:path";
import { eventually } from "./host-processes.ts";
import { bubblewrapSkipReason } from "./local-sandboxes.ts";
import { TemporaryDirectory } from "./temporary-directory.ts";

const sshd = "/usr/sbin/sshd";
const accountUid = 20_003;
const isRoot = process.getuid?.() === 0;

/** Why a real sshd cannot be tested here; undefined when it can. */
export const sshSkipReason: string | undefined = existsSync(sshd)
  ? undefined
  : "openssh-server is not installed (/usr/sbin/sshd)";
export const sshBubblewrapSkipReason = sshSkipReason ?? bubblewrapSkipReason;

export type SshServerOptions = {
  maxSessions?: number;
  /** PATH entries before the system's for the remote user's shell. */
  path?: string;
};

export class SshServer implements AsyncDisposable {
  readonly user = isRoot ? "lachesis-test" : userInfo().username;
  /** Where sandboxes get their directories. */
  readonly base: string;
  readonly keyPath: string;
  readonly knownHostsPath: string;
  readonly #temporary: TemporaryDirectory;
  readonly #process: ChildProcess;
  readonly #relay: Server;
  readonly #sockets = new Set<Socket>();
  readonly #sshdPort: number;
  readonly #lost = new Set<Socket>();
  #isSilent = false;
  port = 0;

  private constructor(temporary: TemporaryDirectory, process: ChildProcess, sshdPort: number) {
    const directory = temporary.path;
    this.#temporary = temporary;
    this.base = join(directory, "sandboxes");
    this.keyPath = join(directory, "user-key");
    this.knownHostsPath = join(directory, "known_hosts");
    this.#process = process;
    this.#sshdPort = sshdPort;
    this.#relay = createServer((client) => this.#carry(client));
  }

  static async start({ maxSessions = 10, path }: SshServerOptions = {}): Promise<SshServer> {
    const temporary = await TemporaryDirectory.make();
    const directory = temporary.path;
    chmodSync(directory, 0o755);
    const file = (name: string, text: string) => writeFileSync(join(directory, name), text);
    for (const name of ["host-key", "user-key", "other-key"]) makeKey(join(directory, name));
    mkdirSync(join(directory, "sandboxes"));
    mkdirSync(join(directory, "home"));
    if (isRoot)
      for (const name of ["sandboxes", "home"]) chownSync(join(directory, name), accountUid, accountUid);
    file("authorized_keys", readFileSync(join(directory, "user-key.pub"), "utf8"));
    file("passwd", `${readFileSync("/etc/passwd", "utf8")}${account(join(directory, "home"))}`);
    const port = await freePort();
    file(
      "sshd_config",
      [
        `Port ${port}`,
        "ListenAddress 127.0.0.1",
        `HostKey ${join(directory, "host-key")}`,
        `AuthorizedKeysFile ${join(directory, "authorized_keys")}`,
        "PidFile none",
        "StrictModes no",
        "UsePAM no",
        "PasswordAuthentication no",
        "PrintMotd no",
        `MaxSessions ${maxSessions}`,
        ...(path === undefined ? [] : [`SetEnv PATH=${path}`]),
        "",
      ].join("\n"),
    );
    const command = [sshd, "-D", "-e", "-f", join(directory, "sshd_config")];
    const script = `mount --bind "$1/passwd" /etc/passwd && mount -t tmpfs tmpfs /run && mkdir -m 755 /run/sshd && shift && exec "$@"`;
    const [program = "", ...rest] = isRoot
      ? ["unshare", "--mount", "--", "sh", "-c", script, "sh", directory, ...command]
      : command;
    const child = spawn(program, rest, { stdio: ["ignore", "ignore", "pipe"] });
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    let said = "";
    child.stderr?.on("data", (chunk: Buffer) => {
      said += chunk;
      if (said.includes("Server listening")) resolve();
    });
    child.once("exit", () => reject(new Error(`sshd ended: ${said}`)));
    await promise;
    const server = new SshServer(temporary, child, port);
    await server.#listen();
    return server;
  }

  /** What the backend needs to come here. */
  get config(): Record<string, unknown> {
    return {
      host: "127.0.0.1",
      port: this.port,
      user: this.user,
      key_path: this.keyPath,
      known_hosts: this.knownHostsPath,
      directory: this.base,
    };
  }

  /** A key that the server does not know. */
  get foreignKeyPath(): string {
    return join(this.#temporary.path, "other-key");
  }

  get hostKey(): string {
    return readFileSync(join(this.#temporary.path, "host-key.pub"), "utf8").trim();
  }

  /** Connections that are open now. */
  get connectionCount(): number {
    return this.#sockets.size / 2;
  }

  /** Directories of sandboxes that are there now. */
  listSandboxes(): string[] {
    return readdirSync(this.base);
  }

  /** Who commands run as, for a child process. */
  get identity(): { uid?: number; gid?: number } {
    return isRoot ? { uid: accountUid, gid: accountUid } : {};
  }

  giveToUser(path: string): void {
    if (isRoot) chownSync(path, accountUid, accountUid);
  }

  removeDirectory(path: string): void {
    rmSync(path, { recursive: true, force: true });
  }

  /** Breaks every connection, as a router that was restarted does. */
  cutConnections(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  /**
   * Lets nothing through, and closes nothing either, until it lets new connections through again; those of before
   * stay lost: neither end hears of the other any more.
   */
  setSilent(isSilent: boolean): void {
    this.#isSilent = isSilent;
    if (!isSilent) return;
    for (const socket of this.#sockets) {
      socket.unpipe();
      socket.removeAllListeners("close");
      socket.resume();
      this.#sockets.delete(socket);
      this.#lost.add(socket);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cutConnections();
    for (const socket of this.#lost) socket.destroy();
    const closed = new Promise((resolve) => this.#relay.close(resolve));
    if (this.#process.exitCode === null) {
      const ended = new Promise((resolve) => this.#process.once("exit", resolve));
      this.#process.kill("SIGTERM");
      await ended;
    }
    await closed;
    await this.#temporary[Symbol.asyncDispose]();
  }

  async #listen(): Promise<void> {
    await new Promise<void>((resolve) => this.#relay.listen(0, "127.0.0.1", resolve));
    const address = this.#relay.address();
    if (address === null || typeof address === "string") throw new Error("no port");
    this.port = address.port;
    writeFileSync(this.knownHostsPath, `[127.0.0.1]:${this.port} ${this.hostKey}\n`);
  }

  #carry(client: Socket): void {
    const server = connect(this.#sshdPort, "127.0.0.1");
    for (const [from, to] of [
      [client, server],
      [server, client],
    ] as const) {
      this.#sockets.add(from);
      from.setNoDelay(true);
      from.on("error", () => {});
      from.on("close", () => {
        this.#sockets.delete(from);
        to.destroy();
      });
      if (!this.#isSilent) from.pipe(to);
    }
  }
}

/** Nothing of a sandbox on this server runs or lies about. */
export async function expectNothingOn(server: SshServer): Promise<void> {
  await eventually(
    () => server.listSandboxes().length === 0 && marked(server.base).length === 0,
    "nothing of a sandbox is left on the server",
  ).catch((error: unknown) => {
    throw new Error(`left: ${server.listSandboxes().join(", ")}; ${marked(server.base).join(", ")}`, {
      cause: error,
    });
  });
}

/** Processes with the text in their environment, by id. */
function marked(text: string): string[] {
  return readdirSync("/proc").filter((name) => {
    if (!/^\d+$/.test(name)) return false;
    try {
      return readFileSync(`/proc/${name}/environ`, "latin1").includes(`LACHESIS_SANDBOX=${text}`);
    } catch {
      return false;
    }
  });
}

function account(home: string): string {
  return `lachesis-test:x:${accountUid}:${accountUid}::${home}:/bin/sh\n`;
}

function makeKey(path: string): void {
  execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", "lachesis-test", "-f", path]);
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}
