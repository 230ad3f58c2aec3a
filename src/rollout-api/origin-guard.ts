/**
 * Keeps other people's web pages out. A browser lets any page send requests to a server on this machine; it
 * only keeps the answers from the page. So a page that somebody visits could wipe a run or take its batches.
 *
 * Browsers say where a request comes from (Origin, Sec-Fetch-Site) and pages can't forge it; programs send
 * neither and are not concerned. Behind a name that an attacker points at 127.0.0.1 (DNS rebinding) a page is
 * its own origin: against that, a server on a loopback address only answers to loopback names in Host.
 */
import { isIPv4 } from "node:net";
import { type Answer, detailAnswer } from "./answer.ts";

/** What an endpoint does to a run: look, change, or throw it away. */
export type Effect = "read" | "change" | "destroy";

export type OriginRules = {
  /** Origins whose pages may use the API (but for what destroys); "*" = all. */
  corsOrigins: readonly string[];
  /** Names and addresses, without ports, that Host may have beside loopback ones; undefined = any. */
  hosts: readonly string[] | undefined;
  /** The original has none of these rules; only what destroys is kept from other sites even so. */
  compat: boolean;
};

type RequestHeaders = {
  origin?: string | undefined;
  host?: string | undefined;
  "sec-fetch-site"?: string | string[] | undefined;
};

/** The refusal due to a browser's request from elsewhere; undefined = let it in. */
export function checkOrigin(rules: OriginRules, effect: Effect, headers: RequestHeaders): Answer | undefined {
  const { corsOrigins, hosts, compat } = rules;
  if (hosts !== undefined && !compat && !isKnownHost(headers.host, hosts)) {
    const name = hostName(headers.host ?? "");
    return detailAnswer(403, `This server does not answer to the name ${JSON.stringify(name)}`);
  }
  if (isSameOrigin(headers)) return undefined;
  if (effect === "destroy") return crossOrigin();
  // Looking is harmless: without CORS headers the page can't see the answer.
  if (compat || effect === "read") return undefined;
  const isAllowed = headers.origin !== undefined && allowsOrigin(corsOrigins, headers.origin);
  return isAllowed ? undefined : crossOrigin();
}

export function allowsOrigin(corsOrigins: readonly string[], origin: string): boolean {
  return corsOrigins.includes("*") || corsOrigins.includes(origin);
}

/** True for 127.0.0.0/8, ::1 and the names that mean them. */
export function isLoopback(host: string): boolean {
  const name = host
    .replace(/^\[(.*)\]$/, "$1")
    .replace(/^::ffff:/, "")
    .toLowerCase();
  if (isIPv4(name)) return name.startsWith("127.");
  return name === "::1" || name === "localhost" || name.endsWith(".localhost");
}

function isSameOrigin({ origin, host, "sec-fetch-site": site }: RequestHeaders): boolean {
  // "none" is a person who typed the address.
  if (site !== undefined) return site === "same-origin" || site === "none";
  if (origin === undefined) return true;
  return URL.canParse(origin) && new URL(origin).host === host?.toLowerCase();
}

function isKnownHost(host: string | undefined, hosts: readonly string[]): boolean {
  if (host === undefined || host === "") return true;
  const name = hostName(host);
  return isLoopback(name) || hosts.includes(name);
}

/** The name in a Host header: no port, lower case. */
function hostName(host: string): string {
  return host.toLowerCase().replace(/:\d+$/, "");
}

function crossOrigin(): Answer {
  return detailAnswer(403, "Cross-origin requests are not allowed");
}
