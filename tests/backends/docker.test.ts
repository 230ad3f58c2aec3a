import { createBackend } from "../../backends/index.ts";
import {
  containerOf,
  docker,
  dockerSkipReason,
  dockerTestImage,
  expectNoContainerLeft,
} from "../support/docker-sandboxes.ts";
import { isRunning } from "../support/local-sandboxes.ts";
import { describeSandboxContract } from "../support/sandbox-contract.ts";

describeSandboxContract("docker", {
  createBackend: () => createBackend("docker", { image: dockerTestImage, pull: "never" }),
  skipReason: dockerSkipReason,
  killFromOutside: (sandbox) => void docker("kill", containerOf(sandbox)),
  isRunning,
  expectNothingLeft: expectNoContainerLeft,
});
