/**
 * The sessions of a proxy: so many at most, each until it is scored, deleted or left alone for too long. A session's
 * secret is never kept, only its digest; sessions are found by digests, so that the time taken tells nothing of any
 * secret.
 */
import { createHash, randomBytes, randomUUID } from "node:crypto";
import type { ManagedServer } from "../inference/managed-server.ts";
import { notFound, ProxyRefusal } from "./proxy-refusal.ts";
import { ProxySession, type SessionLimits } from "./proxy-session.ts";

export type SessionStoreOptions = {
  open(session: { sessionId: string; trackTree: boolean }): ManagedServer;
  limits: SessionLimits;
  maxSessions: number;
  now: () => number;
};

type Ending = "expired" | "deleted" | "scored";

const secretBytes = 32;
/** Sessions whose end is remembered, so that a late agent is told what became of its session. */
const maxEnded = 10_000;

export class SessionStore {
  readonly #options: SessionStoreOptions;
  readonly #byId = new Map<string, { session: ProxySession; digest: string }>();
  readonly #byDigest = new Map<string, ProxySession>();
  /** By id and by digest. */
  readonly #ended = new Map<string, Ending>();

  constructor(options: SessionStoreOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#byId.size;
  }

  /** The secret is told once and never again. Throws a 429 when there are too many sessions. */
  create({ trackTree }: { trackTree: boolean }): { session: ProxySession; secret: string } {
    const { open, limits, maxSessions, now } = this.#options;
    this.sweep();
    if (this.#byId.size >= maxSessions) throw tooManySessions(maxSessions);
    const id = randomUUID();
    const secret = `ls-${randomBytes(secretBytes).toString("base64url")}`;
    const digest = digestOf(secret);
    const managed = open({ sessionId: id, trackTree });
    const session = new ProxySession({ id, managed, limits, now });
    this.#byId.set(id, { session, digest });
    this.#byDigest.set(digest, session);
    return { session, secret };
  }

  list(): ProxySession[] {
    this.sweep();
    return [...this.#byId.values()].map(({ session }) => session);
  }

  /** Throws a 404. */
  get(id: string): ProxySession {
    this.sweep();
    const found = this.#byId.get(id)?.session;
    if (found === undefined)
      throw notFound(this.#missing(id, `There is no session ${id}.`), "session_not_found");
    return found;
  }

  /** Throws a 401. */
  ofSecret(secret: string): ProxySession {
    this.sweep();
    const digest = digestOf(secret);
    const found = this.#byDigest.get(digest);
    if (found !== undefined) return found;
    const ended = this.#ended.get(digest);
    throw unauthenticated(
      this.#missing(digest, "This key is of no session."),
      ended === undefined ? "invalid_api_key" : `session_${ended}`,
    );
  }

  remove(session: ProxySession, how: Ending): void {
    const known = this.#byId.get(session.id);
    if (known === undefined) return;
    session.close(endings[how]);
    this.#byId.delete(session.id);
    this.#byDigest.delete(known.digest);
    for (const name of [session.id, known.digest]) this.#ended.set(name, how);
    for (const name of this.#ended.keys()) {
      if (this.#ended.size <= 2 * maxEnded) break;
      this.#ended.delete(name);
    }
  }

  /** Forgets the sessions whose time is over. */
  sweep(): void {
    const nowMs = this.#options.now();
    for (const { session } of this.#byId.values()) {
      if (session.expiresMs <= nowMs) this.remove(session, "expired");
    }
  }

  close(): void {
    for (const { session } of this.#byId.values()) session.close("the proxy is stopping");
  }

  #missing(name: string, otherwise: string): string {
    const ended = this.#ended.get(name);
    return ended === undefined ? otherwise : `This session is over: ${endings[ended]}.`;
  }
}

const endings: Readonly<Record<Ending, string>> = {
  expired: "it was left alone for too long",
  deleted: "it was deleted",
  scored: "it was scored",
};

const digestOf = (secret: string): string => createHash("sha256").update(secret).digest("base64");

export function unauthenticated(message: string, code: string): ProxyRefusal {
  const headers = { "www-authenticate": 'Bearer realm="proxy"' };
  return new ProxyRefusal({ status: 401, type: "authentication_error", code, message, headers });
}

function tooManySessions(limit: number): ProxyRefusal {
  return new ProxyRefusal({
    status: 429,
    type: "rate_limit_error",
    code: "too_many_sessions",
    message: `There are ${limit} sessions already. Score or delete some, or wait until they expire.`,
    headers: { "retry-after": "5" },
  });
}
