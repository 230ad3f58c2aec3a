/** The environment of commands that bring none of their own, in sandboxes that have no environment from an image. */

const systemPath = "/usr/local/bin:/usr/bin:/bin";

/** `binDirectory`: where a python3 is that is not on the system's path. */
export function sandboxEnvironment(options: {
  workspace: string;
  temporary: string;
  binDirectory?: string | undefined;
}): Record<string, string> {
  const { workspace, temporary, binDirectory } = options;
  const isOnPath = binDirectory === undefined || systemPath.split(":").includes(binDirectory);
  return {
    PATH: isOnPath ? systemPath : `${binDirectory}:${systemPath}`,
    HOME: workspace,
    USER: "sandbox",
    SHELL: "/bin/bash",
    LANG: "C.UTF-8",
    TERM: "dumb",
    TMPDIR: temporary,
  };
}
