/**
 * Whether the key that a machine shows is the one we know. Never trusts silently: an unknown key is refused with
 * its fingerprint and the ways to accept it, a changed one always.
 */
import { appendFile, mkdir, readFile } from "node:fs/promises";
import { dirname } from "node:path";
import { LachesisError } from "../../src/contracts/errors.ts";
import {
  findHostKeys,
  fingerprint,
  type HostKey,
  includesKey,
  type KnownHosts,
  keyType,
  knownHostsName,
} from "./known-hosts.ts";

export type HostKeySettings = {
  host: string;
  port: number;
  knownHostsPath: string;
  acceptsNew: boolean;
  fingerprint: string | undefined;
};

export class HostKeyPolicy {
  readonly #settings: HostKeySettings;
  readonly #known: KnownHosts;

  private constructor(settings: HostKeySettings, known: KnownHosts) {
    this.#settings = settings;
    this.#known = known;
  }

  /** Reads the known hosts afresh; a file that is missing holds none. */
  static async open(settings: HostKeySettings): Promise<HostKeyPolicy> {
    const text = await readFile(settings.knownHostsPath, "utf8").catch((error: unknown) => {
      if (error instanceof Error && "code" in error && error.code === "ENOENT") return "";
      throw error;
    });
    return new HostKeyPolicy(settings, findHostKeys(text, settings.host, settings.port));
  }

  /** Signature algorithms for the keys we know: the server is to show one of those, of its several. */
  get preferredAlgorithms(): string[] {
    return this.#known.trusted.flatMap(({ type }) =>
      type === "ssh-rsa" ? ["rsa-sha2-512", "rsa-sha2-256", "ssh-rsa"] : [type],
    );
  }

  /** Rejects with SSH_HOST_KEY_UNKNOWN or SSH_HOST_KEY_CHANGED; may write a new host's key down. */
  async verify(key: Buffer): Promise<void> {
    const { host, port, knownHostsPath, acceptsNew } = this.#settings;
    const shown = `${keyType(key)} ${fingerprint(key)}`;
    const where = `${host}:${port}`;
    if (this.#settings.fingerprint !== undefined) {
      if (this.#settings.fingerprint === fingerprint(key)) return;
      throw changed(
        `${where} shows the host key ${shown}, and ssh_host_fingerprint expects ${this.#settings.fingerprint}.`,
      );
    }
    if (includesKey(this.#known.revoked, key)) {
      throw changed(`${where} shows the host key ${shown}, which ${knownHostsPath} calls revoked.`);
    }
    if (includesKey(this.#known.trusted, key)) return;
    if (this.#known.trusted.length > 0) {
      const expected = this.#known.trusted.map(describeKey).join(" or ");
      throw changed(`${where} shows the host key ${shown}, and ${knownHostsPath} expects ${expected}.`);
    }
    if (!acceptsNew) {
      throw new LachesisError(
        "SSH_HOST_KEY_UNKNOWN",
        `${where} shows the host key ${shown}, and ${knownHostsPath} has none of this host.`,
        {
          hint:
            `Compare the fingerprint with what the machine's owner says; then log in once with \`ssh -p ${port} ${host}\`, ` +
            `or set \`--env.ssh_host_fingerprint ${fingerprint(key)}\`, or \`--env.ssh_host_key_policy accept-new\`.`,
        },
      );
    }
    await mkdir(dirname(knownHostsPath), { recursive: true, mode: 0o700 });
    const line = `${knownHostsName(host, port)} ${keyType(key)} ${key.toString("base64")}\n`;
    await appendFile(knownHostsPath, line, { mode: 0o600 });
    this.#known.trusted.push({ type: keyType(key), key });
  }
}

function describeKey({ type, key }: HostKey): string {
  return `${type} ${fingerprint(key)}`;
}

function changed(message: string): LachesisError {
  return new LachesisError("SSH_HOST_KEY_CHANGED", message, {
    hint: "Somebody may be in between, or the machine was set up anew. When its owner confirms the new key, take the old one out.",
  });
}
