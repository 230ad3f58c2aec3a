/** What the proxy's routes are made of, and its limits. */
import type { FastifyInstance, FastifyRequest } from "fastify";
import type { ManagedServers } from "../inference/managed-servers.ts";
import type { ProxyAccess } from "./proxy-access.ts";
import type { ProxyRefusal } from "./proxy-refusal.ts";
import type { SessionLimits } from "./proxy-session.ts";
import type { SessionStore } from "./session-store.ts";

export type ProxyLimits = SessionLimits & {
  maxSessions: number;
  maxBodyBytes: number;
  /** Tokens to sample for a request that names no limit. */
  maxTokens: number;
  /** See StreamOptions. */
  keepAliveMs: number;
};

export const defaultProxyLimits: ProxyLimits = {
  idleMs: 3_600_000,
  maxWaiting: 16,
  retryGraceMs: 30_000,
  maxSessions: 1_000,
  maxBodyBytes: 32 * 1024 ** 2,
  maxTokens: 4_096,
  keepAliveMs: 10_000,
};

export type ProxyParts = {
  app: FastifyInstance;
  servers: ManagedServers;
  sessions: SessionStore;
  guard: ProxyAccess;
  limits: ProxyLimits;
  /** Aborts when the proxy stops. */
  closing: AbortSignal;
  /** Writes a failure that the client is told of into the log. */
  told: (refusal: ProxyRefusal, request: FastifyRequest) => void;
};

/** The session's id in the path; undefined where the path has none. */
export function sessionIn({ params }: FastifyRequest): string | undefined {
  const id: unknown =
    typeof params === "object" && params !== null ? Reflect.get(params, "session") : undefined;
  return typeof id === "string" ? id : undefined;
}
