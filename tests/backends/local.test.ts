import { createBackend } from "../../backends/index.ts";
import {
  bubblewrapSkipReason,
  expectNoSandboxLeft,
  isRunning,
  killSupervisors,
} from "../support/local-sandboxes.ts";
import { describeSandboxContract } from "../support/sandbox-contract.ts";

for (const isolation of ["bubblewrap", "none"]) {
  describeSandboxContract(`local, isolation ${isolation}`, {
    createBackend: () => createBackend("local", { isolation }),
    skipReason: isolation === "bubblewrap" ? bubblewrapSkipReason : undefined,
    killFromOutside: killSupervisors,
    isRunning,
    expectNothingLeft: expectNoSandboxLeft,
    separateProcesses: isolation === "bubblewrap",
  });
}
