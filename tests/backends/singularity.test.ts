import { afterAll } from "vitest";
import { SingularityBackend, singularityConfig } from "../../backends/singularity.ts";
import { FakeApptainer } from "../support/fake-apptainer.ts";
import { bubblewrapSkipReason, isRunning, killSupervisors } from "../support/local-sandboxes.ts";
import { describeSandboxContract } from "../support/sandbox-contract.ts";

const fake = await FakeApptainer.make();
afterAll(() => fake[Symbol.asyncDispose]());

describeSandboxContract("singularity", {
  createBackend: () => new SingularityBackend(singularityConfig.parse(fake.config)),
  skipReason: bubblewrapSkipReason,
  killFromOutside: killSupervisors,
  isRunning,
  expectNothingLeft: () => fake.expectNothingLeft(),
});
