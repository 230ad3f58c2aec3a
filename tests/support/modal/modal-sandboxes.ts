/** A Modal server for one test file, and what its tests need to know of it. */
import { readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { expect } from "vitest";
import { eventually } from "../host-processes.ts";
import { ModalServer, modalToken } from "./modal-server.ts";

/** Lets the SDK of this process find the server, and nothing of the user's own configuration. */
export async function startModalServer(): Promise<ModalServer> {
  process.env.MODAL_CONFIG_PATH = "/nonexistent/modal.toml";
  for (const name of ["MODAL_TOKEN_ID", "MODAL_TOKEN_SECRET", "MODAL_PROFILE", "MODAL_ENVIRONMENT"]) {
    delete process.env[name];
  }
  const server = await ModalServer.start();
  process.env.MODAL_SERVER_URL = server.url;
  return server;
}

export const credentials = { token_id: modalToken.id, token_secret: modalToken.secret };

export async function expectNoModalSandboxLeft(server: ModalServer): Promise<void> {
  await eventually(() => server.running.length === 0, "every sandbox on Modal was terminated").catch(() =>
    expect(server.running.map(({ id }) => id)).toEqual([]),
  );
  await eventually(
    () => !readdirSync(tmpdir()).some((name) => name.startsWith(`modal-server-${process.pid}-`)),
    "no directory of a sandbox is left",
  );
}
