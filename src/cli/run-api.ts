#!/usr/bin/env node
/** The bin `run-api`: refuses an old Node, then runs the rollout server. */
import { refuseOldNode } from "./node-version.ts";

refuseOldNode();
const { keepCompiledCode } = await import("./compile-cache.ts");
await keepCompiledCode();
const { relaxGarbageCollection } = await import("./gc-pace.ts");
relaxGarbageCollection();
const { runApiCommand } = await import("./run-api-main.ts");
const { leaveWith } = await import("./run-program.ts");
leaveWith(await runApiCommand(process.argv.slice(2)));
