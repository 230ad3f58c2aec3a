/** The programs outside that Lachesis can use, which of them are here, and what is missing without them. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";

export type ProgramReport = {
  name: string;
  /** What can be done with it. */
  purpose: string;
  /** null = not found, or it does not run. */
  version: string | null;
  /** How to get it, where it is missing. */
  remedy: string;
};

type Program = Omit<ProgramReport, "version"> & {
  commands: readonly string[];
  versionFlag?: string;
};

const programs: readonly Program[] = [
  {
    name: "perl",
    commands: ["perl"],
    versionFlag: "-e",
    purpose: "starts commands in local sandboxes",
    remedy: "apt-get install perl-base",
  },
  {
    name: "bubblewrap",
    commands: ["bwrap"],
    purpose: "walls of local sandboxes",
    remedy: "apt-get install bubblewrap",
  },
  {
    name: "python3",
    commands: ["/usr/bin/python3", "python3"],
    purpose: "python and execute_code tools in local sandboxes",
    remedy: "apt-get install python3",
  },
  {
    name: "ripgrep",
    commands: ["rg"],
    purpose: "search_files, faster than without it",
    remedy: "apt-get install ripgrep",
  },
  {
    name: "chromium",
    commands: ["chromium", "chromium-browser", "google-chrome"],
    purpose: "browser tools",
    remedy: "apt-get install chromium",
  },
];

const programTimeoutMs = 10_000;

/** `chromium`: the browser's path where the configuration names one. Never rejects but with the signal's reason. */
export async function findPrograms({
  chromium,
  signal,
}: {
  chromium: string | null;
  signal: AbortSignal;
}): Promise<ProgramReport[]> {
  const found = await Promise.all(
    programs.map(async ({ commands, versionFlag, ...program }) => {
      const chosen = program.name === "chromium" && chromium !== null ? [chromium] : commands;
      const args = versionFlag === undefined ? ["--version"] : [versionFlag, "print substr($^V, 1)"];
      return { ...program, version: await firstVersion(chosen, args, signal) };
    }),
  );
  signal.throwIfAborted();
  const node = {
    name: "node",
    purpose: "runs Lachesis",
    version: process.versions.node,
    remedy: "https://nodejs.org",
  };
  return [node, ...found];
}

async function firstVersion(
  commands: readonly string[],
  args: readonly string[],
  signal: AbortSignal,
): Promise<string | null> {
  for (const command of commands) {
    try {
      const { stdout, stderr } = await promisify(execFile)(command, args, {
        signal,
        timeout: programTimeoutMs,
      });
      return /\d+(\.\d+)+/.exec(stdout || stderr)?.[0] ?? "found";
    } catch {
      // The next name may be the right one.
    }
  }
  return null;
}
