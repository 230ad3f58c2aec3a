/**
 * Who may do what at the proxy. A session's secret plays that session's rollout and nothing else; the admin's token
 * makes, reads, scores and ends sessions. Without a token everybody is the admin, so that such a proxy listens only
 * where nobody else is and keeps other people's web pages out.
 */
import type { FastifyRequest } from "fastify";
import type { AccessControl } from "../rollout-api/access.ts";
import { checkOrigin } from "../rollout-api/origin-guard.ts";
import { ProxyRefusal } from "./proxy-refusal.ts";
import type { ProxySession } from "./proxy-session.ts";
import { type SessionStore, unauthenticated } from "./session-store.ts";

export type ProxyAccessOptions = {
  access: AccessControl;
  sessions: SessionStore;
  /** Names that Host may have beside loopback ones; undefined = any. */
  hosts: readonly string[] | undefined;
};

export class ProxyAccess {
  readonly #options: ProxyAccessOptions;

  constructor(options: ProxyAccessOptions) {
    this.#options = options;
  }

  /** Throws a 403 for a browser that another site sent here. */
  checkOrigin({ headers }: FastifyRequest): void {
    const rules = { corsOrigins: [], hosts: this.#options.hosts, compat: false };
    const refused = checkOrigin(rules, "destroy", headers);
    if (refused === undefined) return;
    throw forbidden("Web pages of other sites may not use this server, nor other names than its own.");
  }

  /** Throws a 401 or 403. */
  requireAdmin(request: FastifyRequest): void {
    const refused = this.#options.access.check("admin", authorizationOf(request));
    if (refused === undefined) return;
    if (refused.status === 403) throw forbidden("This token may not do that: it takes the admin's.");
    throw unauthenticated("This takes the admin's token.", "invalid_api_key");
  }

  /** The session that a request plays: the path's, or that of the secret. Throws a 401, 403 or 404. */
  sessionOf(request: FastifyRequest, id: string | undefined): ProxySession {
    const { sessions, access } = this.#options;
    const secret = secretOf(request);
    if (id === undefined) {
      if (secret !== undefined) return sessions.ofSecret(secret);
      throw unauthenticated("Send the session's secret as API key.", "invalid_api_key");
    }
    if (access.isOpen) return sessions.get(id);
    if (access.check("admin", authorizationOf(request)) === undefined) return sessions.get(id);
    const own = sessions.ofSecret(secret ?? "");
    if (own.id !== id) throw forbidden("This key is of another session.");
    return own;
  }

  /** Throws unless the key is the admin's or any session's. */
  requireAnyone(request: FastifyRequest): void {
    const { access, sessions } = this.#options;
    if (access.check("admin", authorizationOf(request)) === undefined) return;
    sessions.ofSecret(secretOf(request) ?? "");
  }
}

/** OpenAI's clients send a bearer token, Anthropic's `x-api-key`. */
function secretOf({ headers }: FastifyRequest): string | undefined {
  const key = headers["x-api-key"];
  if (typeof key === "string" && key !== "") return key;
  return /^Bearer +(\S+)\s*$/i.exec(headers.authorization ?? "")?.[1];
}

function authorizationOf({ headers }: FastifyRequest): string | undefined {
  const key = headers["x-api-key"];
  return headers.authorization ?? (typeof key === "string" && key !== "" ? `Bearer ${key}` : undefined);
}

function forbidden(message: string): ProxyRefusal {
  return new ProxyRefusal({ status: 403, type: "permission_error", code: "forbidden", message });
}
