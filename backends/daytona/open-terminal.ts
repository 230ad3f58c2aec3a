/** From a Daytona sandbox to one of ours: uploads the relay, opens a terminal and has its shell become the relay. */
import { randomBytes } from "node:crypto";
import { LachesisError } from "../../src/contracts/errors.ts";
import type { SandboxSpec } from "../../src/contracts/sandbox.ts";
import { untilAborted } from "../../src/contracts/until-aborted.ts";
import { startFailed } from "../supervisor/open-supervised-sandbox.ts";
import { openStreamSandbox, streamSupervisorCommand } from "../supervisor/stream-supervisor.ts";
import type { SupervisedSandbox } from "../supervisor/supervised-sandbox.ts";
import type { DaytonaPty, DaytonaSandbox } from "./daytona-sdk.ts";
import { relayKeyBytes, relayRefusals, relayScript } from "./terminal-relay.ts";
import { TerminalStream } from "./terminal-stream.ts";

export type OpenTerminalOptions = {
  id: string;
  remote: DaytonaSandbox;
  spec: SandboxSpec | undefined;
  /** How often to tell Daytona that the sandbox is in use. */
  activityMs: number;
  /** Deletes the remote sandbox; never rejects. */
  demolish: () => Promise<void>;
  signal: AbortSignal;
};

const ownWorkspace = "/tmp/workspace";
const greetingTimeoutMs = 60_000;
const uploadTimeoutSeconds = 60;

/** A failed or aborted start is demolished before this rejects. */
export async function openTerminal(options: OpenTerminalOptions): Promise<SupervisedSandbox> {
  const { id, remote, spec, activityMs, signal } = options;
  const workspace = spec?.workspace ?? ownWorkspace;
  const secret = (bytes: number) => randomBytes(bytes).toString("hex");
  const greeting = `lachesis-${secret(8)}`;
  const key = secret(relayKeyBytes);
  const path = `/tmp/.lachesis-${secret(6)}`;
  const stream = new TerminalStream(greeting, key);
  const activity = setInterval(() => void remote.refreshActivity().catch(() => {}), activityMs);
  const demolish = async () => {
    clearInterval(activity);
    stream.destroy();
    await options.demolish();
  };

  let ended: Promise<string>;
  try {
    const script = relayScript({
      path,
      greeting,
      key,
      workspace,
      mustExist: spec?.workspace !== undefined,
      supervisor: streamSupervisorCommand(),
    });
    await untilAborted(remote.fs.uploadFile(Buffer.from(script), path, uploadTimeoutSeconds), signal);
    const creating = remote.process.createPty({
      id: greeting,
      onData: (data) => stream.receive(data),
    });
    creating.then((late) => stream.attach(late)).catch(() => {});
    const pty = await untilAborted(creating, signal);
    ended = explainEnd(pty, remote, stream);
    void pty.wait().then(
      () => stream.finish("its terminal ended"),
      (error: unknown) => stream.finish(`its terminal failed (${messageOf(error)})`),
    );
    // The shell is somebody's interactive one; a leading space keeps the line out of its history.
    await pty.sendInput(Buffer.from(` exec sh ${path}\n`));
    const late = AbortSignal.timeout(greetingTimeoutMs);
    refuse(await untilAborted(stream.answered, AbortSignal.any([signal, late])), id, workspace, spec?.image);
  } catch (error) {
    await demolish();
    signal.throwIfAborted();
    throw error instanceof LachesisError ? error : startFailed(id, messageOf(error), error);
  }
  return openStreamSandbox({
    id,
    workspace,
    baseEnv: { HOME: workspace, TERM: "dumb", LANG: "C.UTF-8" },
    stream,
    ended,
    demolish,
    signal,
  });
}

function refuse(answer: string, id: string, workspace: string, image = "of the configuration"): void {
  if (answer === "ready") return;
  if (answer === relayRefusals.noWorkspace) {
    throw new LachesisError(
      "SANDBOX_SPEC_UNSUPPORTED",
      `An item asks to work in ${workspace}, and its image ${image} has no such directory.`,
      { hint: "Correct the item's workspace or its image; without a workspace it gets a fresh one." },
    );
  }
  const lacking = answer === relayRefusals.noPerl ? "perl" : "stty";
  throw new LachesisError(
    "SANDBOX_UNAVAILABLE",
    `The image of sandbox ${id} has no ${lacking}, which our supervisor needs to work over a terminal.`,
    { hint: "Use an image that has one, e.g. debian:12-slim, ubuntu:24.04 or python:3.12-slim." },
  );
}

/** A lost terminal says little: Daytona may know what became of the sandbox. */
async function explainEnd(pty: DaytonaPty, remote: DaytonaSandbox, stream: TerminalStream): Promise<string> {
  const how = await pty
    .wait()
    .then(
      ({ exitCode, error }) =>
        (exitCode === undefined ? error : `exit code ${exitCode}`) ?? "a lost connection",
      messageOf,
    );
  if (stream.failure !== undefined) return stream.failure;
  try {
    await remote.refreshData();
    const { state = "unknown", errorReason } = remote;
    return `${how}; Daytona says that it is ${state}${errorReason ? `: ${errorReason}` : ""}`;
  } catch (error) {
    return `${how}; ${messageOf(error)}`;
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
