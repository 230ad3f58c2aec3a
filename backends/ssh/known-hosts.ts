/**
 * Reads files of trusted host keys as OpenSSH writes them: plain, hashed and negated names, wildcards, ports,
 * revoked keys. Lines of certificate authorities are passed over, as certificates are not supported.
 */
import { createHash, createHmac, timingSafeEqual } from "node:crypto";

export type HostKey = { type: string; key: Buffer };

export type KnownHosts = {
  trusted: HostKey[];
  revoked: HostKey[];
};

const defaultPort = 22;

/** The keys that the file's text has for this machine. Lines that cannot be read are passed over. */
export function findHostKeys(text: string, host: string, port: number): KnownHosts {
  const found: KnownHosts = { trusted: [], revoked: [] };
  const name = knownHostsName(host, port);
  for (const line of text.split("\n")) {
    const fields = line.trim().split(/\s+/);
    const marker = fields[0]?.startsWith("@") ? fields.shift() : undefined;
    const [names, type, encoded] = fields;
    if (names === undefined || names.startsWith("#") || type === undefined || encoded === undefined) continue;
    if (marker !== undefined && marker !== "@revoked") continue;
    if (!isNamed(names, name)) continue;
    const key = Buffer.from(encoded, "base64");
    (marker === undefined ? found.trusted : found.revoked).push({ type, key });
  }
  return found;
}

/** How a known_hosts file calls the machine: the port is part of the name where it is not 22. */
export function knownHostsName(host: string, port: number): string {
  const name = host.toLowerCase();
  return port === defaultPort ? name : `[${name}]:${port}`;
}

/** `SHA256:…`, as OpenSSH shows it. */
export function fingerprint(key: Buffer): string {
  return `SHA256:${createHash("sha256").update(key).digest("base64").replace(/=+$/, "")}`;
}

/** The type stands at the beginning of the key itself: a length and a name. */
export function keyType(key: Buffer): string {
  return key.length < 4 ? "" : key.subarray(4, 4 + key.readUInt32BE(0)).toString("latin1");
}

export function includesKey(keys: readonly HostKey[], key: Buffer): boolean {
  return keys.some((known) => known.key.length === key.length && timingSafeEqual(known.key, key));
}

function isNamed(patterns: string, name: string): boolean {
  if (patterns.startsWith("|1|")) return isHashOf(patterns, name);
  const all = patterns.toLowerCase().split(",");
  if (all.some((pattern) => pattern.startsWith("!") && matches(pattern.slice(1), name))) return false;
  return all.some((pattern) => matches(pattern, name));
}

function isHashOf(hashed: string, name: string): boolean {
  const [, , salt = "", hash = ""] = hashed.split("|");
  const expected = Buffer.from(hash, "base64");
  const actual = createHmac("sha1", Buffer.from(salt, "base64")).update(name).digest();
  return expected.length === actual.length && timingSafeEqual(expected, actual);
}

function matches(pattern: string, name: string): boolean {
  const source = pattern
    .replace(/[.+^${}()|[\]\\]/g, "\\$&")
    .replaceAll("*", ".*")
    .replaceAll("?", ".");
  return new RegExp(`^${source}$`).test(name);
}
