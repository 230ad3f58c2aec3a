/**
 * The remote machine made ready: surveyed, freed of what dead processes of ours left there, and with a way of
 * making sandboxes that has been tried. Never less isolation than configured.
 */
import { homedir, userInfo } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { LachesisError } from "../../src/contracts/errors.ts";
import type { SandboxSpec } from "../../src/contracts/sandbox.ts";
import { untilAborted } from "../../src/contracts/until-aborted.ts";
import type { OnNotice } from "../backend-context.ts";
import { seccompFilter } from "../local/seccomp/seccomp-filter.ts";
import { ownerMark, ownerState } from "../owner-mark.ts";
import type { SupervisedSandbox } from "../supervisor/supervised-sandbox.ts";
import { bubblewrapped, plainProcesses } from "./remote-launches.ts";
import { type RemoteMachine, readSurvey, surveyCommand } from "./remote-machine.ts";
import { type RemoteLaunch, RemoteSandboxes } from "./remote-sandboxes.ts";
import { directoryPrefix } from "./remote-scripts.ts";
import type { SshConfig } from "./ssh-config.ts";
import { SshConnections } from "./ssh-connections.ts";

export type SshIsolation = "bubblewrap" | "directory";
/** How a sandbox with the item's wishes is launched. */
type Plan = (spec: SandboxSpec | undefined) => RemoteLaunch;

const defaultKeys = ["~/.ssh/id_ed25519", "~/.ssh/id_ecdsa", "~/.ssh/id_rsa"];
const trialTimeoutMs = 20_000;
const architectures: Readonly<Record<string, string>> = { x86_64: "x64", aarch64: "arm64" };

export function openConnections(config: SshConfig): SshConnections {
  const { host, port } = config;
  if (host === undefined) {
    throw new LachesisError("CONFIG_INVALID", "The sandbox backend ssh is not told which machine to use.", {
      hint: "Set `--env.ssh_host`.",
    });
  }
  const home = homedir();
  const keys = config.key_path === undefined ? defaultKeys : [config.key_path];
  return new SshConnections({
    login: {
      host,
      port,
      user: config.user ?? localUser(),
      keyPaths: keys.map((path) => inHome(path, home)),
      keyPassphrase: config.key_passphrase,
      agent: config.agent,
      connectTimeoutMs: config.connect_timeout * 1_000,
      keepaliveMs: config.keepalive * 1_000,
    },
    hostKeys: {
      host,
      port,
      knownHostsPath: inHome(config.known_hosts ?? "~/.ssh/known_hosts", home),
      acceptsNew: config.host_key_policy === "accept-new",
      fingerprint: config.host_fingerprint,
    },
    maxConnections: config.max_connections,
  });
}

type SiteOptions = { onNotice: OnNotice; signal: AbortSignal };

export class SshSite {
  readonly isolation: SshIsolation;
  readonly #sandboxes: RemoteSandboxes;
  readonly #plan: Plan;

  private constructor(isolation: SshIsolation, sandboxes: RemoteSandboxes, plan: Plan) {
    this.isolation = isolation;
    this.#sandboxes = sandboxes;
    this.#plan = plan;
  }

  /** Rejects with SANDBOX_UNAVAILABLE, with what connecting rejects with, or the signal's reason. */
  static async open(connections: SshConnections, config: SshConfig, options: SiteOptions): Promise<SshSite> {
    const { onNotice, signal } = options;
    const machine = readSurvey(await run(connections, surveyCommand(config), signal), config);
    const sandboxes = new RemoteSandboxes(connections, machine.base, await ownerMark());
    const left = await leftByTheDead(machine.directories);
    if (left.length > 0) {
      await sandboxes.remove(left);
      onNotice({
        level: "info",
        message: `Removed ${left.length} sandboxes that earlier runs had left on ${config.host}.`,
      });
    }

    const inDirectory = (why: string) => {
      onNotice({
        level: "warn",
        message: `Sandboxes on ${config.host} are plain processes of its user, without walls: ${why}.`,
      });
      const launch = plainProcesses(config, machine);
      return new SshSite("directory", sandboxes, () => launch);
    };
    if (config.isolation === "directory" || config.isolation === "none")
      return inDirectory("env.ssh_isolation asks for it");
    try {
      const plan = await tryBubblewrap(sandboxes, machine, config, signal);
      return new SshSite("bubblewrap", sandboxes, plan);
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof LachesisError) || error.code !== "SANDBOX_UNAVAILABLE") throw error;
      if (config.isolation === "auto") return inDirectory(error.message.replace(/\.$/, ""));
      throw error;
    }
  }

  launch(id: string, spec: SandboxSpec | undefined, signal: AbortSignal): Promise<SupervisedSandbox> {
    return this.#sandboxes.launch(id, this.#plan(spec), signal);
  }
}

async function run(connections: SshConnections, command: string, signal: AbortSignal): Promise<string> {
  const channel = await connections.start(command, signal);
  channel.end();
  try {
    const output = await untilAborted(text(channel), signal);
    // Until then the server counts the session.
    await untilAborted(channel.ended, signal);
    return output;
  } finally {
    channel.destroy();
  }
}

async function leftByTheDead(names: readonly string[]): Promise<string[]> {
  const marks = names.map((name) => name.slice(directoryPrefix.length).split("-")[0] ?? "");
  const states = await Promise.all(marks.map(ownerState));
  return names.filter((_name, index) => states[index] === "dead");
}

/** Rejects with SANDBOX_UNAVAILABLE where bubblewrap is missing or does not work. */
async function tryBubblewrap(
  sandboxes: RemoteSandboxes,
  machine: RemoteMachine,
  config: SshConfig,
  signal: AbortSignal,
): Promise<Plan> {
  const { bubblewrap, bubblewrapLack } = machine;
  if (bubblewrap === undefined) throw unavailable(bubblewrapLack);
  const filter = seccompFilter(architectures[machine.machine] ?? "");
  if (filter === undefined)
    throw unavailable(`there is no filter of system calls for its ${machine.machine}`);
  const attempt = async (disableUserNamespaces: boolean): Promise<Plan> => {
    const plan: Plan = (spec) =>
      bubblewrapped(config, machine, { path: bubblewrap.path, filter, disableUserNamespaces }, spec);
    await using sandbox = await sandboxes.launch("probe", plan(undefined), signal);
    const result = await sandbox.exec({ argv: ["true"] }, { timeoutMs: trialTimeoutMs, signal });
    if (result.exitCode === 0) return plan;
    throw unavailable(`a trial command failed: ${Buffer.from(result.stderr)}`);
  };
  try {
    return await attempt(bubblewrap.canDisableUserNamespaces).catch((error: unknown) => {
      // Containers may keep /proc/sys/user read-only; any other failure is no reason to ask for less.
      if (error instanceof Error && /user_namespaces|userns/.test(error.message)) return attempt(false);
      throw error;
    });
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof LachesisError && error.code === "SANDBOX_START_FAILED")
      throw unavailable(error.message);
    throw error;
  }
}

function unavailable(why: string): LachesisError {
  return new LachesisError(
    "SANDBOX_UNAVAILABLE",
    `The remote machine makes no sandboxes by bubblewrap: ${why}.`,
    {
      hint:
        "Install it there (`apt-get install bubblewrap`) and allow unprivileged user namespaces; or, if you trust what " +
        "will run, opt in to plain processes of the remote user: `--env.ssh_isolation directory`.",
    },
  );
}

function localUser(): string {
  try {
    return userInfo().username;
  } catch (error) {
    throw new LachesisError(
      "CONFIG_INVALID",
      "The user to log in as is not known: this one has no name here.",
      {
        hint: "Set `--env.ssh_user`.",
        cause: error,
      },
    );
  }
}

function inHome(path: string, home: string): string {
  return path.startsWith("~/") ? join(home, path.slice(2)) : path;
}
