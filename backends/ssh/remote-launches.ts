/** The two ways of running a supervisor on the remote machine: in bubblewrap, or as plain processes. */
import type { SandboxSpec } from "../../src/contracts/sandbox.ts";
import { bubblewrapArguments } from "../local/bubblewrap-profile.ts";
import { markVariable } from "../marked-processes.ts";
import { sandboxEnvironment } from "../sandbox-environment.ts";
import { streamSupervisorCommand } from "../supervisor/stream-supervisor.ts";
import type { RemoteMachine } from "./remote-machine.ts";
import type { RemoteLaunch } from "./remote-sandboxes.ts";
import { bubblewrapLaunch, filterFd, groupFd, passwdFd, plainLaunch } from "./remote-scripts.ts";
import type { SshConfig } from "./ssh-config.ts";

const megabyte = 1_048_576;
const sharedMemoryBytes = 64 * megabyte;
const workspace = "/workspace";

/** A directory, and the rights of the remote user: no walls. */
export function plainProcesses(config: SshConfig, { python }: RemoteMachine): RemoteLaunch {
  return {
    workspace: (directory) => `${directory}/workspace`,
    baseEnv: (directory) => ({
      ...sandboxEnvironment({
        workspace: `${directory}/workspace`,
        temporary: `${directory}/tmp`,
        binDirectory: python?.binDirectory,
      }),
      [markVariable]: directory,
    }),
    command: (directory) =>
      plainLaunch(
        directory,
        streamSupervisorCommand({
          limits: { dataBytes: config.memory_mb * megabyte, fileBytes: config.workspace_mb * megabyte },
          doomedDirectory: directory,
          inheritEnvironment: false,
        }),
      ),
  };
}

export type BubblewrapOptions = {
  /** The remote program. */
  path: string;
  /** The filter of system calls for the remote machine. */
  filter: Uint8Array;
  disableUserNamespaces: boolean;
};

/** The walls of the local backend, on the remote machine: its workspace and /tmp live in memory, with a size. */
export function bubblewrapped(
  config: SshConfig,
  { python, systemDirectories, uid }: RemoteMachine,
  options: BubblewrapOptions,
  spec: SandboxSpec = {},
): RemoteLaunch {
  const prefixes = python?.prefixes.filter((path) => path !== "/usr" && !path.startsWith("/usr/")) ?? [];
  const user = String(config.run_as_uid);
  const identity = ["setpriv", "--reuid", user, "--regid", user, "--clear-groups", "--"];
  const command = [
    ...(uid === 0 ? identity : []),
    options.path,
    ...bubblewrapArguments({
      workspace,
      workspaceBytes: config.workspace_mb * megabyte,
      temporaryBytes: config.workspace_mb * megabyte,
      sharedMemoryBytes,
      shareNetwork: spec.network ?? config.network,
      disableUserNamespaces: options.disableUserNamespaces,
      readOnlyDirectories: prefixes.map((path) => ({ source: path, path })),
      systemDirectories,
      passwdFd,
      groupFd,
      seccompFd: filterFd,
    }),
    "--",
    ...streamSupervisorCommand({
      limits: {
        dataBytes: config.memory_mb * megabyte,
        fileBytes: config.workspace_mb * megabyte,
        processes: config.max_processes,
      },
      inheritEnvironment: false,
    }),
  ];
  return {
    workspace: () => workspace,
    baseEnv: () => sandboxEnvironment({ workspace, temporary: "/tmp", binDirectory: python?.binDirectory }),
    command: (directory) => bubblewrapLaunch(directory, options.filter, command),
  };
}
