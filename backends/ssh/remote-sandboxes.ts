/**
 * Makes sandboxes on the remote machine and sees to their ends. A sandbox whose connection broke, or whose command
 * would not end, is an orphan: it is ended over another connection, at once if there is one, else by the next
 * command that reaches the machine.
 */
import { randomBytes } from "node:crypto";
import { untilAborted } from "../../src/contracts/until-aborted.ts";
import { openStreamSandbox } from "../supervisor/stream-supervisor.ts";
import type { SupervisedSandbox } from "../supervisor/supervised-sandbox.ts";
import type { RemoteChannel } from "./remote-channel.ts";
import { cleanUp, directoryPrefix } from "./remote-scripts.ts";
import type { SshConnections } from "./ssh-connections.ts";

/** How sandboxes are started, with walls or without. */
export type RemoteLaunch = {
  workspace(directory: string): string;
  baseEnv(directory: string): Readonly<Record<string, string>>;
  command(directory: string): string;
};

/** How long a sandbox may take to end after its input has, before it is ended by force. */
const farewellMs = 5_000;
const cleanUpTimeoutMs = 30_000;
/** Directories in one command line. */
const batchSize = 100;

export class RemoteSandboxes {
  readonly #connections: SshConnections;
  readonly #base: string;
  readonly #mark: string;
  readonly #orphans = new Set<string>();
  #cleaning: Promise<void> | undefined;

  constructor(connections: SshConnections, base: string, mark: string) {
    this.#connections = connections;
    this.#base = base;
    this.#mark = mark;
  }

  /** Rejects with SANDBOX_START_FAILED, what connecting rejects with, or the signal's reason; leaves nothing then. */
  async launch(id: string, launch: RemoteLaunch, signal: AbortSignal): Promise<SupervisedSandbox> {
    if (this.#orphans.size > 0) await untilAborted(this.#cleanAll(), signal);
    const directory = `${this.#base}/${directoryPrefix}${this.#mark}-${randomBytes(8).toString("hex")}`;
    const channel = await this.#connections.start(launch.command(directory), signal);
    let demolition: Promise<void> | undefined;
    const demolish = () => {
      demolition ??= this.#demolish(channel, directory);
      return demolition;
    };
    try {
      return await openStreamSandbox({
        id,
        workspace: launch.workspace(directory),
        baseEnv: launch.baseEnv(directory),
        stream: channel,
        ended: channel.ended.then(({ how }) => how),
        complaint: () => channel.complaint,
        demolish,
        signal,
      });
    } catch (error) {
      await demolish();
      throw error;
    }
  }

  /** Ends and removes what earlier processes have left. */
  async remove(directoryNames: readonly string[]): Promise<void> {
    for (const name of directoryNames) this.#orphans.add(`${this.#base}/${name}`);
    await this.#cleanAll();
  }

  /** The end of the channel's input ends the supervisor, which takes all that is below it along. */
  async #demolish(channel: RemoteChannel, directory: string): Promise<void> {
    channel.destroy();
    const end = await within(channel.ended, farewellMs);
    if (end?.exitCode === 0) return;
    this.#orphans.add(directory);
    await this.#cleanAll();
    channel.abandon();
  }

  /** Never rejects: what could not be ended stays an orphan. */
  async #cleanAll(): Promise<void> {
    // Who joins a cleaning under way may have come too late for it.
    if (this.#cleaning !== undefined) await this.#cleaning;
    this.#cleaning ??= this.#clean().finally(() => {
      this.#cleaning = undefined;
    });
    await this.#cleaning;
  }

  async #clean(): Promise<void> {
    const signal = AbortSignal.timeout(cleanUpTimeoutMs);
    const directories = [...this.#orphans];
    for (let start = 0; start < directories.length; start += batchSize) {
      const batch = directories.slice(start, start + batchSize);
      try {
        const channel = await this.#connections.start(cleanUp(batch), signal);
        channel.end();
        channel.resume();
        const { exitCode } = await untilAborted(channel.ended, signal).finally(() => channel.destroy());
        if (exitCode !== 0) continue;
        for (const directory of batch) this.#orphans.delete(directory);
      } catch {
        return; // No way there for now; the next launch tries again.
      }
    }
  }
}

/** undefined when the work takes longer. */
async function within<T>(work: Promise<T>, timeoutMs: number): Promise<T | undefined> {
  const { promise: late, resolve } = Promise.withResolvers<undefined>();
  const timer = setTimeout(() => resolve(undefined), timeoutMs);
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
