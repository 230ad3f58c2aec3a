import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { makeMarkedDirectory } from "../../../src/cli/marked-directory.ts";
import { chromiumProblem } from "../../support/browser-service.ts";
import { eventually, findByCommand } from "../../support/host-processes.ts";
import { loopbackServer, sendHtml } from "../../support/loopback-server.ts";

const program = fileURLToPath(new URL("../../support/open-browser.ts", import.meta.url));
const directories = () => readdirSync(tmpdir()).filter((name) => name.startsWith("lachesis-browser-"));

test.skipIf(chromiumProblem !== null)(
  `kill -9 of the run ends its Chromium, and the next run removes its files (${chromiumProblem ?? "Chromium"})`,
  async () => {
    const before = new Set(directories());
    await using site = await loopbackServer((_request, response) => sendHtml(response, "<title>T</title>"));
    const run = spawn(process.execPath, [program, site.url], { stdio: ["ignore", "pipe", "inherit"] });
    await once(run.stdout, "data");
    const [made = ""] = directories().filter((name) => !before.has(name));
    expect(findByCommand(made).length).toBeGreaterThan(0);
    const exited = once(run, "exit");
    run.kill("SIGKILL");
    await exited;
    await eventually(
      () => findByCommand(made).length === 0,
      "no process of the killed run's Chromium is left",
    );
    const next = await makeMarkedDirectory("browser");
    rmSync(next, { recursive: true });
    expect(directories()).not.toContain(made);
    expect(
      readdirSync(tmpdir()).filter((name) => name.startsWith("playwright") && name.includes(made)),
    ).toEqual([]);
    rmSync(join(tmpdir(), made), { recursive: true, force: true });
  },
);
