/** What a survey has found on the remote machine. */
import { LachesisError } from "../../src/contracts/errors.ts";
import type { SystemDirectory } from "../local/bubblewrap-profile.ts";
import {
  type PythonRuntime,
  parsePythonAnswer,
  pythonQuestion,
  systemPython,
} from "../local/python-runtime.ts";
import { directoryPrefix, survey } from "./remote-scripts.ts";
import type { SshConfig } from "./ssh-config.ts";

export type RemoteMachine = {
  /** As `uname -m` calls it. */
  machine: string;
  uid: number;
  /** Real path of the directory in which sandboxes get theirs. */
  base: string;
  systemDirectories: SystemDirectory[];
  /** undefined: it has none, or too old a one (`bubblewrapLack` says which). */
  bubblewrap: { path: string; canDisableUserNamespaces: boolean } | undefined;
  bubblewrapLack: string;
  python: PythonRuntime | undefined;
  /** Names of the directories that sandboxes have there now, whoever's they are. */
  directories: string[];
};

export function surveyCommand(config: SshConfig): string {
  return survey({
    base: config.directory,
    bwrapPath: config.bwrap_path,
    question: pythonQuestion,
    pythons: config.python_path === undefined ? [systemPython, "python3"] : [config.python_path],
  });
}

/** Throws SANDBOX_UNAVAILABLE where the machine cannot run sandboxes at all. */
export function readSurvey(output: string, config: SshConfig): RemoteMachine {
  const said = new Map<string, string[]>();
  for (const line of output.slice(output.indexOf("survey begins")).split("\n")) {
    const space = line.indexOf(" ");
    const word = line.slice(0, space);
    said.set(word, [...(said.get(word) ?? []), line.slice(space + 1)]);
  }
  const all = (word: string) => said.get(word) ?? [];
  const one = (word: string) => all(word)[0];
  if (!all("survey").includes("ends")) {
    throw unavailable("its shell did not run a survey", "Give the user a POSIX shell as login shell.");
  }
  const system = one("system");
  if (system !== "Linux") throw unavailable(`it runs ${system}`, "Sandboxes need Linux.");
  const base = one("base");
  if (base === undefined) {
    throw unavailable(
      `${config.directory} is no directory that ${config.user ?? "the user"} may write to`,
      "Name another as `env.ssh_directory`.",
    );
  }
  if (!all("has").some((name) => name === "perl" || name === "python3")) {
    throw unavailable(
      "it has neither perl nor python3",
      "Install one of them there: `apt-get install perl-base`.",
    );
  }
  const python = one("python");
  if (python === undefined && config.python_path !== undefined) {
    throw unavailable(`${config.python_path} is no working Python 3`, "Correct `env.ssh_python_path`.");
  }
  const hasBubblewrap = all("has").includes("bwrap");
  const isUsable = all("bwrap").includes("size");
  return {
    machine: one("machine") ?? "",
    uid: Number(one("uid")),
    base,
    systemDirectories: [
      ...all("link").map((text) => {
        const [path = "", target = ""] = text.split(" ");
        return { path, target };
      }),
      ...all("directory").map((path) => ({ path })),
    ],
    bubblewrap: isUsable
      ? {
          path: one("bwrap-path") ?? config.bwrap_path,
          canDisableUserNamespaces: all("bwrap").includes("disable-userns"),
        }
      : undefined,
    bubblewrapLack: hasBubblewrap ? "its bubblewrap is older than 0.7" : `it has no ${config.bwrap_path}`,
    python: python === undefined ? undefined : parsePythonAnswer(python),
    directories: all("left").filter((name) => name.startsWith(directoryPrefix)),
  };
}

function unavailable(why: string, hint: string): LachesisError {
  return new LachesisError("SANDBOX_UNAVAILABLE", `The remote machine cannot run sandboxes: ${why}.`, {
    hint,
  });
}
