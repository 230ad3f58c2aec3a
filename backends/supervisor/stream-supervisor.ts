/**
 * The supervisor in any place that gives one bidirectional byte stream: a container, a remote shell, a job's exec.
 *
 * Nothing is asked of the place but `sh` and an interpreter. A bootstrap on the command line looks for one, says
 * on stdout what it found (whatever came before, a login banner say, is skipped) and becomes it; the host answers
 * with the program, and from then on both speak frames. System call numbers are those of the place's machine.
 */
import type { Duplex } from "node:stream";
import { LachesisError } from "../../src/contracts/errors.ts";
import {
  type OpenSupervisedSandboxOptions,
  openSupervisedSandbox,
  startFailed,
} from "./open-supervised-sandbox.ts";
import { pythonSupervisorSource } from "./python-supervisor-source.ts";
import type { SupervisedSandbox } from "./supervised-sandbox.ts";
import { limitArguments, type ProcessLimits, systemCallsByMachine } from "./supervisor-command.ts";
import { supervisorSource } from "./supervisor-source.ts";

export type StreamSupervisorOptions = {
  /** Limits of every single process; absent: those of the place. */
  limits?: ProcessLimits;
  /** A directory of the place that the supervisor removes when it leaves. */
  doomedDirectory?: string;
  /** Whether commands see the environment that the place gives the supervisor (an image's PATH), under theirs. Default true. */
  inheritEnvironment?: boolean;
};

const greeting = "lachesis-supervisor";
const greetingPattern = new RegExp(`(?:^|\\n)${greeting} (\\S+) (\\S*) (\\S+)\\r?\\n`);
const noiseLimitBytes = 65_536;
const defaultStartTimeoutMs = 60_000;
const lengthDigits = 8;

/** Reads the program from stdin, not a byte more, and becomes it. */
const perlLoader = `sub t{my $b="";while(length $b<$_[0]){sysread(STDIN,$b,$_[0]-length $b,length $b)||exit 70}$b}eval t(t(${lengthDigits}));if($@){print STDERR $@;exit 70}`;
const pythonLoader = `import os
def t(n):
 b=b""
 while len(b)<n:
  c=os.read(0,n-len(b))
  if not c:os._exit(70)
  b+=c
 return b
exec(compile(t(int(t(${lengthDigits}))),"supervisor","exec"))`;

const bootstrap = `unset PERL5OPT PERL5LIB PERL5DB PERLIO PERL_UNICODE
machine=$(uname -m)
case $machine in
${Object.entries(systemCallsByMachine)
  .map(([machine, { setsid, prctl, prlimit }]) => `${machine}) calls="${setsid} ${prctl} ${prlimit}";;`)
  .join("\n")}
*) calls=;;
esac
shell=sh
command -v bash >/dev/null 2>&1 && shell=bash
if [ -z "$calls" ]; then interpreter=unknown-machine
elif command -v perl >/dev/null 2>&1; then interpreter=perl
elif command -v python3 >/dev/null 2>&1; then interpreter=python3
else interpreter=none
fi
printf '\\n${greeting} %s %s %s\\n' "$interpreter" "$machine" "$shell"
doomed=$1 inheritance=$2
shift 2
[ $interpreter = perl ] && exec perl -e '${perlLoader}' -- "$doomed" "$inheritance" 0 $calls "$@"
[ $interpreter = python3 ] && exec python3 -I -S -c '${pythonLoader}' "$doomed" "$inheritance" 0 $calls "$@"
exit 69`;

/** The argv to start inside the place, with its stdin and stdout (no terminal) as the stream of `openStreamSandbox`. */
export function streamSupervisorCommand(options: StreamSupervisorOptions = {}): [string, ...string[]] {
  const { limits, doomedDirectory = "", inheritEnvironment = true } = options;
  const inheritance = inheritEnvironment ? "inherit" : "clear";
  return ["sh", "-c", bootstrap, "sh", doomedDirectory, inheritance, ...limitArguments(limits)];
}

export type OpenStreamSandboxOptions = OpenSupervisedSandboxOptions & {
  /** How long the place may take until its bootstrap speaks. Default 60 s. */
  startTimeoutMs?: number;
};

/**
 * Settles when the supervisor reports for duty. A failed or aborted start is demolished before this rejects: with
 * SANDBOX_UNAVAILABLE when the place has no interpreter for it, SANDBOX_START_FAILED, or the signal's reason.
 */
export async function openStreamSandbox(options: OpenStreamSandboxOptions): Promise<SupervisedSandbox> {
  const { id, stream, ended, complaint, demolish, signal, startTimeoutMs = defaultStartTimeoutMs } = options;
  let place: Place;
  try {
    place = await greet(stream, AbortSignal.any([signal, AbortSignal.timeout(startTimeoutMs)]));
    const program = Buffer.from(programFor(place, id));
    stream.write(Buffer.concat([Buffer.from(String(program.length).padStart(lengthDigits, "0")), program]));
  } catch (error) {
    stream.destroy();
    await demolish();
    signal.throwIfAborted();
    if (error instanceof LachesisError) throw error;
    const detail = complaint?.() || (await ended);
    const what = error instanceof Error ? error.message : String(error);
    throw startFailed(id, detail ? `${what} (${detail})` : what, error);
  }
  return openSupervisedSandbox({ shell: place.shell, ...options });
}

type Place = { interpreter: string; machine: string; shell: string };

/** What the bootstrap says of its place. */
async function greet(stream: Duplex, signal: AbortSignal): Promise<Place> {
  const { promise, resolve, reject } = Promise.withResolvers<Place>();
  let heard = "";
  const onData = (chunk: Buffer) => {
    heard += chunk.toString("latin1");
    const match = greetingPattern.exec(heard);
    if (match !== null) {
      const [line, interpreter = "", machine = "", shell = ""] = match;
      const rest = heard.slice(match.index + line.length);
      if (rest !== "") stream.unshift(Buffer.from(rest, "latin1"));
      resolve({ interpreter, machine, shell });
    } else if (heard.length > noiseLimitBytes) {
      reject(new Error(`it said something else: ${summary(heard)}`));
    }
  };
  const onError = (error: Error) => reject(new Error(`its stream failed: ${error.message}`));
  const onEnd = () =>
    reject(new Error(`it ended before its supervisor started${summary(heard, ", saying: ")}`));
  const onAbort = () =>
    reject(new Error(`its supervisor did not start in time${summary(heard, ", but said: ")}`));
  // The error listener stays: whatever the stream still has to say until the next owner listens ends no host.
  stream.on("error", onError);
  stream.on("data", onData).on("end", onEnd).on("close", onEnd);
  signal.addEventListener("abort", onAbort, { once: true });
  if (signal.aborted) onAbort();
  else if (stream.destroyed) onEnd();
  try {
    return await promise;
  } finally {
    stream.pause();
    stream.off("data", onData).off("end", onEnd).off("close", onEnd);
    signal.removeEventListener("abort", onAbort);
  }
}

function summary(heard: string, preface = ""): string {
  const text = heard.trim().slice(-500);
  return text === "" ? "" : preface + text;
}

function programFor({ interpreter, machine }: Place, id: string): string {
  if (interpreter === "perl") return supervisorSource;
  if (interpreter === "python3") return pythonSupervisorSource;
  throw new LachesisError(
    "SANDBOX_UNAVAILABLE",
    interpreter === "unknown-machine"
      ? `The place of sandbox ${id} is a ${machine}; supervisors know ${Object.keys(systemCallsByMachine).join(", ")}.`
      : `The place of sandbox ${id} has neither perl nor python3, one of which its supervisor needs.`,
    { hint: "Use an image that has one, e.g. debian:12-slim, ubuntu:24.04 or python:3.12-slim." },
  );
}
