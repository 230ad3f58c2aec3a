/** The whole `environment` command. The bin `environment.ts` checks the Node version before it loads this. */
import { environments } from "../../environments/index.ts";
import { type CliIo, processIo } from "./cli-io.ts";
import { compareCommand } from "./compare-command.ts";
import { convertCommand } from "./convert-command.ts";
import { demoCommand } from "./demo-command.ts";
import { doctorCommand } from "./doctor-command.ts";
import { environmentProgram } from "./environment-program.ts";
import { parseCommand, parsersCommand } from "./parse-command.ts";
import { policyServerCommand } from "./policy-server.ts";
import { practiceServerCommand } from "./practice-server.ts";
import { proxyCommand } from "./proxy.ts";
import { rescoreCommand } from "./rescore-command.ts";
import { dpoGenCommand, sftGenCommand } from "./rollout-examples/example-commands.ts";
import { runProgram } from "./run-program.ts";
import { trainCommand } from "./train-command.ts";
import { validateCommand } from "./validate-command.ts";

/** Runs the command line; resolves with the exit code and never rejects. */
export async function runEnvironmentCommand(
  argv: readonly string[],
  io: CliIo = processIo(),
): Promise<number> {
  let exitCode = 0;
  const onExitCode = (code: number) => {
    exitCode = code;
  };
  const program = environmentProgram({ io, environments, onExitCode });
  program.addCommand(validateCommand({ io, environments, onExitCode }));
  program.addCommand(convertCommand({ io, onExitCode }));
  program.addCommand(sftGenCommand({ io, onExitCode }));
  program.addCommand(dpoGenCommand({ io, onExitCode }));
  program.addCommand(compareCommand({ io, onExitCode }));
  program.addCommand(rescoreCommand({ io, onExitCode }));
  program.addCommand(doctorCommand({ io, onExitCode }));
  program.addCommand(demoCommand({ io, onExitCode }));
  program.addCommand(practiceServerCommand(io));
  program.addCommand(policyServerCommand(io));
  program.addCommand(proxyCommand(io));
  program.addCommand(trainCommand({ io, onExitCode }));
  program.addCommand(parseCommand({ io }));
  program.addCommand(parsersCommand(io));
  return runProgram(program, argv, () => exitCode);
}
