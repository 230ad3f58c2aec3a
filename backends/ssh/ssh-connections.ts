/**
 * All connections to one machine. Commands share a connection until the server refuses one more (MaxSessions);
 * then another connection is opened, one after the other, as servers drop those that come in a crowd
 * (MaxStartups). A connection that broke is replaced by the next command.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { LachesisError } from "../../src/contracts/errors.ts";
import { untilAborted } from "../../src/contracts/until-aborted.ts";
import { HostKeyPolicy, type HostKeySettings } from "./host-key-policy.ts";
import type { RemoteChannel } from "./remote-channel.ts";
import { SshConnection, type SshLogin } from "./ssh-connection.ts";

export type SshConnectionsOptions = {
  login: SshLogin;
  hostKeys: HostKeySettings;
  maxConnections: number;
};

const loginTries = 3;
const retryDelayMs = 300;
/** How long a connection without commands is kept while another one has room. */
const idleMs = 30_000;

export class SshConnections implements AsyncDisposable {
  readonly #options: SshConnectionsOptions;
  readonly #closing = new AbortController();
  readonly #connections = new Set<SshConnection>();
  #opening: Promise<void> | undefined;

  constructor(options: SshConnectionsOptions) {
    this.#options = options;
  }

  /** Starts a command. Rejects with what logging in rejects with, SANDBOX_START_FAILED when all is full, or the signal's reason. */
  async start(command: string, signal: AbortSignal): Promise<RemoteChannel> {
    for (;;) {
      signal.throwIfAborted();
      this.#closing.signal.throwIfAborted();
      const connection = [...this.#connections].find(({ hasRoom }) => hasRoom);
      if (connection === undefined) {
        await untilAborted(this.#openOne(), signal);
        continue;
      }
      const channel = await connection.start(command);
      if (channel === undefined) continue;
      void channel.ended.then(() => this.#dropLater(connection));
      return channel;
    }
  }

  /** Ends every connection, and with them whatever still runs. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort(new LachesisError("SANDBOX_CLOSED", "The sandbox backend has been closed."));
    await this.#opening?.catch(() => {});
    const connections = [...this.#connections];
    for (const connection of connections) connection.close();
    await Promise.all(connections.map(({ ended }) => ended));
  }

  /** One at a time and for all who wait: no single rollout's signal may end it. */
  #openOne(): Promise<void> {
    this.#opening ??= this.#open().finally(() => {
      this.#opening = undefined;
    });
    return this.#opening;
  }

  async #open(): Promise<void> {
    const { login, hostKeys, maxConnections } = this.#options;
    if (this.#connections.size >= maxConnections) {
      throw new LachesisError(
        "SANDBOX_START_FAILED",
        `All ${maxConnections} SSH connections to ${login.host} carry as many sandboxes as its server allows.`,
        { hint: "Raise `env.ssh_max_connections`, or MaxSessions on the server.", retryable: true },
      );
    }
    const { signal } = this.#closing;
    for (let tries = 1; ; tries += 1) {
      try {
        const connection = await SshConnection.open(login, await HostKeyPolicy.open(hostKeys), signal);
        this.#connections.add(connection);
        void connection.ended.then(() => this.#connections.delete(connection));
        return;
      } catch (error) {
        signal.throwIfAborted();
        if (tries === loginTries || !(error instanceof LachesisError && error.retryable)) throw error;
        await sleep(retryDelayMs * tries, undefined, { signal });
      }
    }
  }

  #dropLater(connection: SshConnection): void {
    const timer = setTimeout(() => {
      const hasOther = [...this.#connections].some((other) => other !== connection && other.hasRoom);
      if (connection.isIdle && hasOther) connection.close();
    }, idleMs);
    timer.unref();
  }
}
