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

const systemCallsByArchitecture: Readonly<Record<string, SystemCalls>> = {
  x64: { setsid: 112, prctl: 157, prlimit: 302 },
  arm64: { setsid: 157, prctl: 167, prlimit: 261 },
};

const resource = { fileSize: 1, data: 2, core: 4, processes: 6, addressSpace: 9 } as const;
/** Programs reserve much more address space than they use, yet shared mappings are limited by nothing else. */
const addressSpacePerData = 8;

/** Whether supervisors can set limits and guard themselves on this kind of machine. */
export function isSupervisable(platform: string, architecture: string): boolean {
  return platform === "linux" && systemCallsByArchitecture[architecture] !== undefined;
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
  const calls = systemCallsByArchitecture[process.arch];
  if (calls === undefined) throw new Error(`no system call numbers for ${process.arch}`);
  const limitPairs: [number, number][] = [
    [resource.core, 0],
    [resource.data, limits.dataBytes],
    [resource.addressSpace, limits.dataBytes * addressSpacePerData],
    [resource.fileSize, limits.fileBytes],
  ];
  if (limits.processes !== undefined) limitPairs.push([resource.processes, limits.processes]);
  const numbers = [controlFd, calls.setsid, calls.prctl, calls.prlimit].map(String);
  const pairs = limitPairs.map(([name, value]) => `${name}:${value}`);
  return ["perl", "-", doomedDirectory, ...numbers, ...pairs];
}
