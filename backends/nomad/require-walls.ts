/** raw_exec starts plain processes on the node: nobody shall take that for a sandbox. */
import { LachesisError } from "../../src/contracts/errors.ts";
import type { NomadConfig } from "./nomad-config.ts";

/** Throws CONFIG_INVALID for a driver without walls, unless the network that it cannot take away is allowed. */
export function requireWalls(driver: string, { network }: NomadConfig): void {
  if (driver !== "raw_exec" || network) return;
  throw new LachesisError(
    "CONFIG_INVALID",
    "The driver raw_exec has no walls: the node's files, processes and network are open to the model's commands.",
    { hint: "Use docker or exec; for trusted code, say that you know by `--env.terminal_network true`." },
  );
}
