/**
 * The command line of a container. Everything that could let the host in is said, as sites change the defaults: no
 * home, no environment, no host's /tmp, own processes, no privileges, no network.
 */
export type ContainerOptions = {
  program: string;
  image: string;
  /** Directory of the host that the container sees as `workspace`; absent: the workspace is the image's own. */
  workspaceSource?: string | undefined;
  workspace: string;
  shareNetwork: boolean;
  env: Readonly<Record<string, string>>;
  command: readonly [string, ...string[]];
};

export function containerCommand(options: ContainerOptions): [string, ...string[]] {
  const { program, image, workspaceSource, workspace, shareNetwork, env, command } = options;
  return [
    program,
    "exec",
    ...["--containall", "--cleanenv", "--no-home", "--no-privs"],
    ...(shareNetwork ? [] : ["--net", "--network", "none"]),
    "--writable-tmpfs",
    ...(workspaceSource === undefined ? [] : ["--bind", `${workspaceSource}:${workspace}`]),
    ...["--pwd", workspace],
    ...Object.entries(env).flatMap(([name, value]) => ["--env", `${name}=${value}`]),
    image,
    ...command,
  ];
}
