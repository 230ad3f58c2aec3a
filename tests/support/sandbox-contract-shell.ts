/** The part of the sandbox contract about the shell that the `terminal` tool keeps over a sandbox. */
import { describe, expect, test } from "vitest";
import { ShellSession } from "../../src/tools/shell-session.ts";
import {
  markerSeconds,
  type SandboxContractContext,
  neverAborted as signal,
} from "./sandbox-contract-context.ts";

export function describeShell({ options, open }: SandboxContractContext): void {
  const start = async () => {
    const sandbox = await open();
    const shell = new ShellSession(sandbox);
    const say = async (command: string, timeoutMs = 20_000) =>
      await shell.run(command, { timeoutMs, signal });
    return { sandbox, say };
  };

  describe("a persistent shell", () => {
    test("directory, variables and functions survive from command to command", async () => {
      const { sandbox, say } = await start();
      await say("mkdir -p 'a b/c'; cd 'a b/c'; export KEPT=$'one\\ntwo ü'; greet() { echo \"hello $1\"; }");
      const { output, exitCode, stateKept } = await say('pwd; echo "$KEPT"; greet you; (exit 3)');
      expect(output).toBe(`${sandbox.workspace}/a b/c\none\ntwo ü\nhello you\n`);
      expect([exitCode, stateKept]).toEqual([3, true]);
    });

    test("a command that exits or is stopped leaves them as they were, and no process", async () => {
      const { say } = await start();
      const marker = markerSeconds();
      await say("export KEPT=yes; mkdir inner; cd inner; exit 4");
      const stopped = await say(`export KEPT=no; cd /; echo partial; sleep ${marker}`, 700);
      expect(stopped).toMatchObject({ output: "partial\n", exitCode: 124, timedOut: true });
      expect(options.isRunning(marker)).toBe(false);
      expect((await say('echo "$KEPT $(basename "$PWD")"')).output).toBe("yes inner\n");
    });
  });
}
