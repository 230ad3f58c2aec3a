#!/usr/bin/env node
/** The bin `environment`: refuses an old Node, then runs the command. */
import { refuseOldNode } from "./node-version.ts";

refuseOldNode();
const { keepCompiledCode } = await import("./compile-cache.ts");
await keepCompiledCode();
const { runEnvironmentCommand } = await import("./environment-main.ts");
const { leaveWith } = await import("./run-program.ts");
leaveWith(await runEnvironmentCommand(process.argv.slice(2)));
