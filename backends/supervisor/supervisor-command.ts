/** The command line of a supervisor. System call numbers come from here because plain Perl does not know them. */

/** Limits of every single process a supervisor starts. */
export type ProcessLimits = {
  /** Private writable memory. */
  dataBytes: number;
  /** Size of any one file it writes. */
  fileBytes: number;
  /** Processes of the user namespace together; absent: no limit. */
  processes?: number;
};

type SystemCalls = { setsid: number; prctl: number; prlimit: number };

/** By the name that `uname -m` gives: the numbers are those of the machine that runs the supervisor. */
export const systemCallsByMachine: Readonly<Record<string, SystemCalls>> = {
  x86_64: { setsid: 112, prctl: 157, prlimit: 302 },
  aarch64: { setsid: 157, prctl: 167, prlimit: 261 },
  riscv64: { setsid: 157, prctl: 167, prlimit: 261 },
};

const machineByArchitecture: Readonly<Record<string, string>> = {
  x64: "x86_64",
  arm64: "aarch64",
  riscv64: "riscv64",
};

const resource = { fileSize: 1, data: 2, core: 4, processes: 6, addressSpace: 9 } as const;
/** Programs reserve much more address space than they use, yet shared mappings are limited by nothing else. */
const addressSpacePerData = 8;

/** Whether supervisors can set limits and guard themselves on this kind of machine. */
export function isSupervisable(platform: string, architecture: string): boolean {
  return platform === "linux" && machineByArchitecture[architecture] !== undefined;
}

export type SupervisorCommandOptions = {
  /** The descriptor, inherited by the supervisor, of its end of the control socket. */
  controlFd: number;
  limits: ProcessLimits;
  /** A directory that the supervisor removes when it leaves. */
  doomedDirectory?: string;
};

/**
 * The command line; whoever runs it writes `supervisorSource` to its stdin and ends that. (As an argument, the
 * program would fill every process listing.)
 */
export function supervisorCommand(options: SupervisorCommandOptions): [string, ...string[]] {
  const { controlFd, limits, doomedDirectory = "" } = options;
  const calls = systemCallsHere();
  const numbers = [controlFd, calls.setsid, calls.prctl, calls.prlimit].map(String);
  return ["perl", "-", doomedDirectory, "clear", ...numbers, ...limitArguments(limits)];
}

/** The numbers of the machine that this process runs on. */
export function systemCallsHere(): SystemCalls {
  const calls = systemCallsByMachine[machineByArchitecture[process.arch] ?? ""];
  if (calls === undefined) throw new Error(`no system call numbers for ${process.arch}`);
  return calls;
}

/** The limits as a supervisor's last arguments: `number of the resource:value`. */
export function limitArguments(limits: ProcessLimits | undefined): string[] {
  const pairs: [number, number][] = [[resource.core, 0]];
  if (limits !== undefined) {
    pairs.push(
      [resource.data, limits.dataBytes],
      [resource.addressSpace, limits.dataBytes * addressSpacePerData],
      [resource.fileSize, limits.fileBytes],
    );
  }
  if (limits?.processes !== undefined) pairs.push([resource.processes, limits.processes]);
  return pairs.map(([name, value]) => `${name}:${value}`);
}
