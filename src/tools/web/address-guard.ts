/**
 * Keeps the model's requests off addresses that only this machine's network can reach: loopback, private and
 * link-local ranges, cloud metadata, and the IPv6 forms that carry such addresses inside.
 *
 * A name is resolved once and the connection goes to the very addresses that were judged, so a name that
 * resolves differently the next time (DNS rebinding) gains nothing. A name with one forbidden address is
 * refused as a whole.
 */
import { lookup } from "node:dns/promises";
import { BlockList, isIP, type LookupFunction } from "node:net";
import { untilAborted } from "../../contracts/until-aborted.ts";

export type Address = { address: string; family: 4 | 6 };

/** `blocked`: forbidden by the guard; otherwise the name has no address. */
export type Verdict = { ok: true; addresses: Address[] } | { ok: false; blocked: boolean; reason: string };

export type AddressGuardOptions = {
  /** Let through although they are not public: `host`, `host:port`, an address, or a range as `10.0.0.0/8`. */
  allowedHosts?: readonly string[];
  /** All addresses of a name; rejects where it has none. Default: the system's resolver. */
  resolve?: (hostname: string) => Promise<Address[]>;
};

export class AddressGuard {
  readonly #allowedNames: ReadonlySet<string>;
  readonly #allowedRanges = new BlockList();
  readonly #forbidden = forbiddenRanges();
  readonly #resolve: (hostname: string) => Promise<Address[]>;

  constructor({ allowedHosts = [], resolve = resolveBySystem }: AddressGuardOptions = {}) {
    this.#allowedNames = new Set(allowedHosts.map((host) => host.toLowerCase()));
    this.#resolve = resolve;
    for (const entry of allowedHosts) addRange(this.#allowedRanges, entry);
  }

  /** Where a connection to the host may go. `hostname` as in a URL, so IPv6 addresses may stand in brackets. */
  async judge(hostname: string, port: number, { signal }: { signal: AbortSignal }): Promise<Verdict> {
    signal.throwIfAborted();
    const host = bareHost(hostname);
    const version = isIP(host);
    let addresses: Address[];
    try {
      addresses =
        version === 0
          ? await untilAborted(this.#resolve(host), signal)
          : [{ address: host, family: version === 6 ? 6 : 4 }];
    } catch {
      signal.throwIfAborted();
      return { ok: false, blocked: false, reason: `there is no host named ${host}` };
    }
    if (addresses.length === 0) {
      return { ok: false, blocked: false, reason: `there is no host named ${host}` };
    }
    if (this.#isAllowedName(hostname, host, port)) return { ok: true, addresses };
    const forbidden = addresses.find((address) => this.#isForbidden(address));
    return forbidden === undefined
      ? { ok: true, addresses }
      : { ok: false, blocked: true, reason: blockedReason(host, forbidden.address) };
  }

  #isAllowedName(hostname: string, host: string, port: number): boolean {
    return [host, `${host}:${port}`, `${hostname.toLowerCase()}:${port}`].some((name) =>
      this.#allowedNames.has(name),
    );
  }

  #isForbidden({ address, family }: Address): boolean {
    // A scope id (fe80::1%eth0) is no part of the address.
    const plain = address.replace(/%.*$/, "");
    const kind = family === 6 ? "ipv6" : "ipv4";
    return this.#forbidden.check(plain, kind) && !this.#allowedRanges.check(plain, kind);
  }
}

/** What a judged connection resolves its name with: the judged addresses and nothing else. */
export function pinnedLookup(addresses: readonly Address[]): LookupFunction {
  return (_hostname, { all }, callback) => {
    const [first] = addresses;
    if (all) callback(null, [...addresses]);
    else callback(null, first?.address ?? "", first?.family);
  };
}

function bareHost(hostname: string): string {
  return hostname.toLowerCase().replace(/^\[(.*)\]$/, "$1");
}

function blockedReason(host: string, address: string): string {
  const what = host === address ? address : `${host} (${address})`;
  return `${what} is not on the public internet; requests to private, loopback and link-local addresses are not allowed`;
}

async function resolveBySystem(hostname: string): Promise<Address[]> {
  const found = await lookup(hostname, { all: true });
  return found.map(({ address, family }) => ({ address, family: family === 6 ? 6 : 4 }));
}

function addRange(ranges: BlockList, entry: string): void {
  const [address = "", prefix] = entry.split("/");
  const version = isIP(address);
  if (version === 0) return;
  const bits = prefix === undefined ? (version === 6 ? 128 : 32) : Number(prefix);
  ranges.addSubnet(address, bits, version === 6 ? "ipv6" : "ipv4");
}

/** What is not the public internet, by the special-purpose registries of IANA. IPv4 in IPv6 (::ffff:0:0/96) is judged as IPv4 by BlockList itself. */
function forbiddenRanges(): BlockList {
  const ranges = new BlockList();
  for (const range of [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
    // :: and ::1, and IPv4 written into the last 32 bits.
    "::/96",
    // NAT64, which a gateway turns into any IPv4 address.
    "64:ff9b::/96",
    "64:ff9b:1::/48",
    "100::/64",
    // Teredo, documentation, 6to4: tunnels that carry IPv4 inside.
    "2001::/23",
    "2001:db8::/32",
    "2002::/16",
    "fc00::/7",
    "fe80::/10",
    "fec0::/10",
    "ff00::/8",
  ]) {
    addRange(ranges, range);
  }
  return ranges;
}
