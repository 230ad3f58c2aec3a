import { execFile } from "node:child_process";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { promisify } from "node:util";
import { expect, test } from "vitest";

/** Ends without closing the manager, while a probe of the silent server is under way. */
const program = `
  import pino from "pino";
  import { serverConfig } from "./src/inference/server-config.ts";
  import { ServerManager } from "./src/inference/server-manager.ts";
  const base_url = process.argv[1];
  const manager = new ServerManager({
    servers: [serverConfig.parse({ base_url, timeout: 0.1 })],
    logger: pino({ level: "silent" }),
    retry: { maxAttempts: 1 },
    health: { failuresToSetAside: 1, firstProbeDelayMs: 1 },
  });
  const request = { messages: [{ role: "user", content: "hi" }] };
  const signal = new AbortController().signal;
  await manager.chatCompletion(request, { signal }).catch((error) => console.log(error.code));
  await new Promise((resolve) => setTimeout(resolve, 100));
  // A probe takes up to five seconds: a process that it keeps alive ends no sooner.
  const done = performance.now();
  process.once("exit", () => console.log(performance.now() - done < 4_000 ? "at once" : "kept alive"));
`;

test("a manager that nobody closed does not keep the process alive, even while it probes", {
  timeout: 90_000,
}, async () => {
  let connections = 0;
  const silent = createServer(() => {
    connections += 1;
  });
  await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
  const { port } = silent.address() as AddressInfo;
  const argv = ["--input-type=module-typescript", "--eval", program, `http://127.0.0.1:${port}/v1`];
  const options = { cwd: new URL("../..", import.meta.url), timeout: 60_000 };
  const { stdout } = await promisify(execFile)(process.execPath, argv, options);
  silent.close();
  expect(stdout).toBe("INFERENCE_UNREACHABLE\nat once\n");
  expect(connections).toBe(2);
});
