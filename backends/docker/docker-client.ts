/** The connection to a Docker daemon, and what its failures mean. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import type Docker from "dockerode";
import { z } from "zod";
import { LachesisError } from "../../src/contracts/errors.ts";
import type { DockerConfig } from "./docker-config.ts";

/** No call that the daemon answers at once may take longer. */
export const callTimeoutMs = 120_000;

/** It takes a while to load: only who uses Docker pays for it. */
function loadDockerode(): typeof Docker {
  return createRequire(import.meta.url)("dockerode");
}

/** Connects to nothing yet. Throws CONFIG_INVALID for a host that is no such address or certificates that can't be read. */
export function createDockerClient({ host, cert_path }: Pick<DockerConfig, "host" | "cert_path">): Docker {
  const Client = loadDockerode();
  // With no address, dockerode finds the usual sockets.
  if (host === undefined) return new Client();
  if (host.startsWith("unix://"))
    return new Client({ host: undefined, socketPath: host.slice("unix://".length) });
  const address = URL.canParse(host) ? new URL(host) : undefined;
  if (address === undefined || !["tcp:", "http:", "https:"].includes(address.protocol)) {
    throw new LachesisError("CONFIG_INVALID", `docker_host is no address of a Docker daemon: ${host}.`, {
      hint: "Use unix:///path/to/docker.sock, tcp://host:port or https://host:port; for ssh, forward the socket first.",
    });
  }
  const isSecure = address.protocol === "https:" || cert_path !== undefined;
  return new Client({
    socketPath: undefined,
    host: address.hostname,
    port: address.port || (isSecure ? 2376 : 2375),
    protocol: isSecure ? "https" : "http",
    ...(cert_path !== undefined && readCertificates(cert_path)),
  });
}

function readCertificates(directory: string): { ca: Buffer; cert: Buffer; key: Buffer } {
  const read = (name: string) => {
    try {
      return readFileSync(join(directory, name));
    } catch (error) {
      throw new LachesisError("CONFIG_INVALID", `docker_cert_path: ${messageOf(error)}.`, {
        hint: "Name a directory that holds ca.pem, cert.pem and key.pem.",
        cause: error,
      });
    }
  };
  return { ca: read("ca.pem"), cert: read("cert.pem"), key: read("key.pem") };
}

const systemError = z.object({ code: z.string() });
const daemonError = z.object({
  statusCode: z.number(),
  json: z.object({ message: z.string() }).optional().catch(undefined),
});

/** The HTTP status of an error that the daemon answered with; undefined for every other. */
export function statusOf(error: unknown): number | undefined {
  const parsed = daemonError.safeParse(error);
  return parsed.success ? parsed.data.statusCode : undefined;
}

/** The daemon's own words, or the error's. */
export function messageOf(error: unknown): string {
  const parsed = daemonError.safeParse(error);
  const message = parsed.success ? parsed.data.json?.message : undefined;
  return (message ?? (error instanceof Error ? error.message : String(error))).trim();
}

/** SANDBOX_UNAVAILABLE for a daemon that does not answer; undefined for an error that has another cause. */
export function daemonUnavailable(error: unknown): LachesisError | undefined {
  const parsed = systemError.safeParse(error);
  const code = parsed.success ? parsed.data.code : "";
  const hint = hintByCode[code];
  if (hint === undefined) return undefined;
  return new LachesisError("SANDBOX_UNAVAILABLE", `No Docker daemon answers: ${messageOf(error)}.`, {
    hint,
    cause: error,
  });
}

const startIt =
  "Install and start Docker (`apt-get install docker.io`, `systemctl start docker`, or `dockerd` by hand), or name the daemon: `--env.docker_host unix:///path` (DOCKER_HOST).";

const hintByCode: Readonly<Record<string, string>> = {
  ENOENT: startIt,
  ECONNREFUSED: startIt,
  ENOTFOUND: startIt,
  EHOSTUNREACH: startIt,
  ETIMEDOUT: startIt,
  EACCES:
    "This user may not use Docker's socket: `sudo usermod -aG docker $USER` and log in again (who is in that group can become root), or use a rootless daemon.",
  EPERM: "This user may not use Docker's socket.",
};
