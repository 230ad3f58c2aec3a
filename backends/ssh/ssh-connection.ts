/** One logged-in connection. It carries as many commands at once as the server allows, which only the server knows. */
import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import type { Client, ClientChannel, ConnectConfig, ServerHostKeyAlgorithm } from "ssh2";
import { LachesisError } from "../../src/contracts/errors.ts";
import type { HostKeyPolicy } from "./host-key-policy.ts";
import { RemoteChannel } from "./remote-channel.ts";

export type SshLogin = {
  host: string;
  port: number;
  user: string;
  /** The first that can be used is. */
  keyPaths: readonly string[];
  keyPassphrase: string | undefined;
  agent: string | undefined;
  connectTimeoutMs: number;
  keepaliveMs: number;
};

const unansweredKeepalives = 3;
const settlingMs = 200;

export class SshConnection {
  /** Settles when the connection is no more; never rejects. */
  readonly ended: Promise<void>;
  readonly #client: Client;
  /** Commands that run, or are about to. */
  #commands = 0;
  #isFull = false;
  #lastReleaseMs = Number.NEGATIVE_INFINITY;
  #hasEnded = false;

  private constructor(client: Client) {
    this.#client = client;
    this.ended = new Promise((resolve) => {
      client.once("close", () => {
        this.#hasEnded = true;
        resolve();
      });
    });
  }

  /** Rejects with SSH_UNREACHABLE, SSH_AUTH_FAILED, SSH_KEY_INVALID, an error of the host's key, or the signal's reason. */
  static async open(login: SshLogin, hostKeys: HostKeyPolicy, signal: AbortSignal): Promise<SshConnection> {
    signal.throwIfAborted();
    const { default: ssh2 } = await import("ssh2");
    const privateKey = await readPrivateKey(login, ssh2);
    const client = new ssh2.Client();
    const { promise: ready, resolve, reject } = Promise.withResolvers<void>();
    let refusal: unknown;
    const onAbort = () => client.destroy();
    client.once("ready", resolve);
    // An error behind the login is followed by `close`, which tells enough.
    client.on("error", reject);
    client.once("close", () => reject(new Error("the server closed the connection")));
    const connection = new SshConnection(client);
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      client.connect({
        host: login.host,
        port: login.port,
        username: login.user,
        readyTimeout: login.connectTimeoutMs,
        keepaliveInterval: login.keepaliveMs,
        keepaliveCountMax: unansweredKeepalives,
        ...(privateKey === undefined ? {} : { privateKey }),
        ...(login.keyPassphrase === undefined ? {} : { passphrase: login.keyPassphrase }),
        ...(login.agent === undefined ? {} : { agent: login.agent }),
        ...preferring(hostKeys.preferredAlgorithms),
        hostVerifier: (key: Buffer, answer: (isTrusted: boolean) => void) => {
          hostKeys.verify(key).then(
            () => answer(true),
            (error: unknown) => {
              refusal = error;
              answer(false);
            },
          );
        },
      });
      await ready;
      client.setNoDelay(true);
      return connection;
    } catch (error) {
      client.destroy();
      signal.throwIfAborted();
      throw refusal ?? loginFailure(login, error);
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }

  /** False once the server refused a command for lack of room, until one of the others has ended. */
  get hasRoom(): boolean {
    return !this.#isFull && !this.#hasEnded;
  }

  get isIdle(): boolean {
    return this.#commands === 0;
  }

  /** undefined: the server allows no further command on this connection. Rejects with SSH_UNREACHABLE. */
  async start(command: string): Promise<RemoteChannel | undefined> {
    this.#commands += 1;
    for (;;) {
      try {
        const channel = new RemoteChannel(await this.#exec(command));
        void channel.ended.then(() => this.#release());
        return channel;
      } catch (error) {
        const why = error instanceof Error ? error.message : String(error);
        const isRefusal = !this.#hasEnded && why.includes("Channel open failure");
        // The server counts a session for a moment longer than its channel.
        if (isRefusal && performance.now() - this.#lastReleaseMs < settlingMs) {
          await sleep(settlingMs / 4);
          continue;
        }
        this.#commands -= 1;
        if (isRefusal && this.#commands > 0) {
          this.#isFull = true;
          return undefined;
        }
        throw new LachesisError("SSH_UNREACHABLE", `The SSH server ran no command: ${why}.`, {
          cause: error,
          retryable: true,
          ...(isRefusal && {
            hint: "Let the server's configuration allow sessions (MaxSessions, ForceCommand).",
          }),
        });
      }
    }
  }

  close(): void {
    this.#client.end();
  }

  #release(): void {
    this.#commands -= 1;
    this.#isFull = false;
    this.#lastReleaseMs = performance.now();
  }

  async #exec(command: string): Promise<ClientChannel> {
    const { promise, resolve, reject } = Promise.withResolvers<ClientChannel>();
    this.#client.exec(command, (error, channel) => (error ? reject(error) : resolve(channel)));
    void this.ended.then(() => reject(new Error("the connection broke")));
    return await promise;
  }
}

function preferring(algorithms: readonly string[]): Pick<ConnectConfig, "algorithms"> {
  const known = algorithms.filter(isHostKeyAlgorithm);
  return known.length === 0
    ? {}
    : { algorithms: { serverHostKey: { prepend: known, append: [], remove: [] } } };
}

function isHostKeyAlgorithm(name: string): name is ServerHostKeyAlgorithm {
  const names: readonly string[] = [
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "rsa-sha2-512",
    "rsa-sha2-256",
  ];
  return names.includes(name);
}

/** The first key that can be read and used; with an agent, there need not be any. */
async function readPrivateKey(
  { keyPaths, keyPassphrase, agent }: SshLogin,
  { utils }: typeof import("ssh2"),
): Promise<Buffer | undefined> {
  const complaints: string[] = [];
  for (const path of keyPaths) {
    try {
      const key = await readFile(path);
      const parsed = utils.parseKey(key, keyPassphrase);
      if (!(parsed instanceof Error)) return key;
      complaints.push(`${path}: ${parsed.message}`);
    } catch (error) {
      complaints.push(error instanceof Error ? error.message : String(error));
    }
  }
  if (agent !== undefined) return undefined;
  throw new LachesisError("SSH_KEY_INVALID", `No private key to log in with: ${complaints.join("; ")}.`);
}

function loginFailure({ host, port, user }: SshLogin, error: unknown): LachesisError {
  const why = error instanceof Error ? error.message : String(error);
  const level = error instanceof Error && "level" in error ? error.level : undefined;
  if (level === "client-authentication") {
    return new LachesisError("SSH_AUTH_FAILED", `${host}:${port} let ${user} not log in: ${why}.`, {
      cause: error,
    });
  }
  return new LachesisError("SSH_UNREACHABLE", `No SSH connection to ${host}:${port}: ${why}.`, {
    cause: error,
    retryable: true,
  });
}
