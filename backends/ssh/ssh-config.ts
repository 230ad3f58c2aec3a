/** The ssh backend's configuration. */
import { z } from "zod";
import { localConfig } from "../local/local-config.ts";

export const sshConfig = z.strictObject({
  host: z
    .string()
    .min(1)
    .optional()
    .describe("Machine to make sandboxes on: a name or an address. ~/.ssh/config is not read."),
  port: z.int().min(1).max(65_535).default(22).describe("Port of its SSH server."),
  user: z.string().min(1).optional().describe("User to log in as. null = the name of the local user."),
  key_path: z
    .string()
    .min(1)
    .optional()
    .describe("Private key file. null = the first of ~/.ssh/id_ed25519, id_ecdsa, id_rsa that can be used."),
  key_passphrase: z.string().optional().describe("Passphrase of the private key."),
  agent: z.string().min(1).optional().describe("Socket of an ssh-agent, whose keys are tried too."),
  known_hosts: z
    .string()
    .min(1)
    .optional()
    .describe("File of host keys that are trusted, as OpenSSH writes it. null = ~/.ssh/known_hosts."),
  host_key_policy: z
    .enum(["strict", "accept-new"])
    .default("strict")
    .describe(
      "strict: the host's key must be known. accept-new: that of a host without any is accepted and written to known_hosts. A changed key is always refused.",
    ),
  host_fingerprint: z
    .string()
    .regex(/^SHA256:[A-Za-z0-9+/]{43}$/, "Expected SHA256: and 43 characters, as `ssh-keygen -l` prints it.")
    .optional()
    .describe("The host key's fingerprint (SHA256:…), trusted in place of known_hosts."),
  isolation: z
    .enum(["bubblewrap", "directory", "none", "auto"])
    .default("bubblewrap")
    .describe(
      "bubblewrap: each rollout in its own sandbox on the remote machine. directory (or none): plain processes of the remote user in a directory each, for trusted code only. auto: bubblewrap where the machine can, else directory.",
    ),
  directory: z
    .string()
    .regex(/^(\/|~\/|~$)/, "Expected an absolute path, or one that begins with ~/.")
    .default("/tmp")
    .describe("Directory of the remote machine in which each sandbox gets its own."),
  connect_timeout: z.number().positive().default(20).describe("Seconds that logging in may take."),
  keepalive: z
    .number()
    .positive()
    .default(10)
    .describe("Seconds between signs of life; after three without an answer the connection is given up."),
  max_connections: z
    .int()
    .min(1)
    .default(64)
    .describe(
      "Most connections at once; each carries as many sandboxes as the server's MaxSessions (often 10).",
    ),
  memory_mb: localConfig.shape.memory_mb,
  max_processes: localConfig.shape.max_processes,
  workspace_mb: localConfig.shape.workspace_mb,
  network: z
    .boolean()
    .default(false)
    .describe("Whether sandboxes share the remote machine's network (bubblewrap only)."),
  bwrap_path: z
    .string()
    .min(1)
    .default("bwrap")
    .describe("The remote bubblewrap program: a name, or a path."),
  python_path: z
    .string()
    .min(1)
    .optional()
    .describe(
      "The remote Python 3 that sandboxes see as python3. null = /usr/bin/python3, else that on PATH.",
    ),
  run_as_uid: z
    .int()
    .min(1)
    .default(20_001)
    .describe("User and group id of sandboxed processes when the remote user is root (bubblewrap only)."),
});

export type SshConfig = z.output<typeof sshConfig>;
