/**
 * A shell whose working directory, exported variables and functions live on from command to command.
 *
 * Every command runs in a bash of its own, so nothing it does (exit, exec, a timeout) can break the session.
 * The state travels with it: in through the environment, out through the shell's real stderr, which the
 * command itself never sees, for its own stderr goes into stdout, in the order written. A command that is
 * killed, or leaves by `exec`, leaves the state as it was. The host keeps the state; no file is written.
 */
import { randomBytes } from "node:crypto";
import { stripVTControlCharacters } from "node:util";
import type { Sandbox, SandboxProcess } from "../contracts/sandbox.ts";
import { capMiddle } from "./cap-text.ts";
import { sandboxPath } from "./sandbox-path.ts";

const outputLimitChars = 50_000;
const outputLimitBytes = 1_048_576;
/** The kernel takes 128 KiB per environment variable. */
const stateLimitBytes = 120_000;

/**
 * `builtin cd`, since a session may have a function of that name, which prints the directory, say.
 * One line on purpose: bash counts the lines of what is evaluated from the line of the `eval`, and so names
 * the command's own line numbers in its messages.
 */
const wrapper = [
  "__lx_command=$(cat)",
  "exec {__lx_out}>&2 2>&1 </dev/null",
  "__lx_state=$LACHESIS_STATE __lx_cwd=$LACHESIS_CWD __lx_workdir=$LACHESIS_WORKDIR __lx_mark=$LACHESIS_MARK",
  "unset LACHESIS_STATE LACHESIS_CWD LACHESIS_WORKDIR LACHESIS_MARK",
  'if [[ -n $__lx_state ]]; then unset $(compgen -e); eval "$__lx_state"; fi',
  'builtin cd -- "$__lx_cwd" 2>/dev/null || { builtin cd /; echo "[The working directory $__lx_cwd is gone; this is $PWD.]"; }',
  '__lx_save=\'if [[ -z $__lx_saved ]]; then __lx_saved=1; { builtin printf "%s<" "$__lx_mark"; builtin pwd; builtin printf "\\0"; builtin export -p; builtin declare -f; builtin printf "\\0%s>" "$__lx_mark"; } >&"$__lx_out"; fi\'',
  "__lx_saved=",
  "trap 'eval \"$__lx_save\"' EXIT",
  'if [[ -n $__lx_workdir ]]; then builtin cd -- "$__lx_workdir" || exit 1; fi',
  'eval "$__lx_command"',
  '{ __lx_status=$?; set +exuv; eval "$__lx_save"; } 2>/dev/null',
  'exit "$__lx_status"',
].join("; ");

/** Runs a command with the session's state as it is, and saves none. Its stdin is the process's own. */
const backgroundBody = [
  "__lx_state=$LACHESIS_STATE __lx_cwd=$LACHESIS_CWD __lx_command=$LACHESIS_COMMAND",
  "unset LACHESIS_STATE LACHESIS_CWD LACHESIS_COMMAND LACHESIS_BODY",
  'if [[ -n $__lx_state ]]; then unset $(compgen -e); eval "$__lx_state"; fi',
  'builtin cd -- "$__lx_cwd" || exit 1',
  "unset __lx_state __lx_cwd",
  'eval "$__lx_command"',
].join("; ");

/** Says its process id on stderr, which then becomes stdout; every step keeps that id. */
const backgroundStarter = `
builtin printf '%s\n' "$$" >&2
exec 2>&1
if [[ $1 != pty ]]; then exec bash --noprofile --norc -c "$LACHESIS_BODY"; fi
export SHELL=/bin/sh TERM=xterm
if type -P script >/dev/null; then exec script -qfec 'exec bash --noprofile --norc -c "$LACHESIS_BODY"' /dev/null; fi
if type -P python3 >/dev/null; then
  exec python3 -c 'import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(["bash", "--noprofile", "--norc", "-c", os.environ["LACHESIS_BODY"]])))'
fi
echo 'No pseudo terminal can be made here: neither script (util-linux) nor python3 is in the sandbox. Call again without pty.'
exit 127
`;

const baseEnvironment = { TERM: "dumb", PAGER: "cat", GIT_PAGER: "cat" };

export type ShellResult = {
  /** stdout and stderr in the order written, without terminal escapes, cut in the middle beyond 50,000 characters. */
  output: string;
  /** 124 = stopped at the time limit; 128 + n = killed by signal n. */
  exitCode: number;
  timedOut: boolean;
  /** False where the command changed more state than can be kept (120,000 bytes). */
  stateKept: boolean;
};

export type ShellOptions = {
  timeoutMs: number;
  signal: AbortSignal;
  /** Directory for this command alone, from the workspace. Default: where the last command ended. */
  workdir?: string | undefined;
};

export class ShellSession implements AsyncDisposable {
  readonly #sandbox: Sandbox;
  #cwd: string;
  /** Bash code that sets the variables and functions; "" = none kept so far. */
  #state = "";

  constructor(sandbox: Sandbox) {
    this.#sandbox = sandbox;
    this.#cwd = sandbox.workspace;
  }

  /** Runs one command. What it does wrong is in the result; rejects as `Sandbox.exec` does. */
  async run(command: string, { timeoutMs, signal, workdir = "" }: ShellOptions): Promise<ShellResult> {
    const mark = randomBytes(16).toString("hex");
    const result = await this.#sandbox.exec(
      {
        argv: ["bash", "--noprofile", "--norc", "-c", wrapper, "bash"],
        cwd: "/",
        env: {
          ...baseEnvironment,
          LACHESIS_STATE: this.#state,
          LACHESIS_CWD: this.#cwd,
          LACHESIS_WORKDIR: workdir === "" ? "" : sandboxPath(this.#sandbox, workdir),
          LACHESIS_MARK: mark,
        },
      },
      { timeoutMs, signal, stdin: Buffer.from(command), outputLimitBytes },
    );
    const { stdout, stdoutDroppedBytes, exitCode, timedOut } = result;
    return {
      output: capMiddle(stripVTControlCharacters(textOf(stdout)), outputLimitChars, stdoutDroppedBytes),
      exitCode,
      timedOut,
      stateKept: this.#keepState(textOf(result.stderr), mark, { keepDirectory: workdir !== "" }),
    };
  }

  /**
   * Starts a command that runs beside the session, in its directory and with its variables; what it changes of them
   * stays its own. The process says its id, as the sandbox knows it, in the first line of stderr; whatever the
   * command prints is on stdout. Rejects as `Sandbox.spawn` does.
   */
  async spawn(
    command: string,
    {
      signal,
      workdir = "",
      pty = false,
    }: { signal: AbortSignal; workdir?: string | undefined; pty?: boolean },
  ): Promise<{ process: SandboxProcess; cwd: string }> {
    const cwd = workdir === "" ? this.#cwd : sandboxPath(this.#sandbox, workdir);
    const process = await this.#sandbox.spawn(
      {
        argv: ["bash", "--noprofile", "--norc", "-c", backgroundStarter, "bash", pty ? "pty" : "pipe"],
        cwd: "/",
        env: {
          ...baseEnvironment,
          LACHESIS_BODY: backgroundBody,
          LACHESIS_COMMAND: command,
          LACHESIS_STATE: this.#state,
          LACHESIS_CWD: cwd,
        },
      },
      { signal },
    );
    return { process, cwd };
  }

  #keepState(channel: string, mark: string, { keepDirectory }: { keepDirectory: boolean }): boolean {
    const start = channel.lastIndexOf(`${mark}<`);
    const end = channel.lastIndexOf(`\0${mark}>`);
    const split = channel.indexOf("\0", start);
    if (start < 0 || split < 0 || end <= split) return true;
    if (!keepDirectory) this.#cwd = channel.slice(start + mark.length + 1, split).replace(/\n$/, "");
    const state = channel.slice(split + 1, end);
    if (Buffer.byteLength(state) > stateLimitBytes) return false;
    this.#state = state;
    return true;
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8");
}
