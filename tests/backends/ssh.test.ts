import { afterAll } from "vitest";
import { SshBackend, sshConfig } from "../../backends/ssh.ts";
import { isRunning, killSupervisors } from "../support/local-sandboxes.ts";
import { describeSandboxContract } from "../support/sandbox-contract.ts";
import { expectNothingOn, SshServer, sshBubblewrapSkipReason, sshSkipReason } from "../support/ssh-server.ts";

const server = sshSkipReason === undefined ? await SshServer.start() : undefined;
afterAll(() => server?.[Symbol.asyncDispose]());

for (const isolation of ["bubblewrap", "directory"]) {
  describeSandboxContract(`ssh, isolation ${isolation}`, {
    createBackend: () => new SshBackend(sshConfig.parse({ ...server?.config, isolation })),
    skipReason: isolation === "bubblewrap" ? sshBubblewrapSkipReason : sshSkipReason,
    killFromOutside: killSupervisors,
    isRunning,
    expectNothingLeft: async () => server && expectNothingOn(server),
    separateProcesses: isolation === "bubblewrap",
    sizes: isolation === "bubblewrap" ? {} : { outputBytes: 20_000_000, fileBytes: 5_000_000 },
  });
}
