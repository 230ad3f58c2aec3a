/**
 * Who may do what. Each endpoint says who it is for (`Audience`); a client proves its role with a token, sent
 * as `Authorization: Bearer TOKEN`, or as the password of `Authorization: Basic`: that is what every Python
 * client sends for a server URL of the form `http://any:TOKEN@host:8000`, and what browsers ask people for.
 *
 * A server without tokens lets everybody do everything: then it must only listen where nobody else is.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { type Answer, detailAnswer } from "./answer.ts";

/** `env` hands in groups, `trainer` takes batches, `admin` may do everything, also throw a run away. */
export type Role = "env" | "trainer" | "admin";
export const roles: readonly Role[] = ["env", "trainer", "admin"];

/** Whom an endpoint is for: `anyone` needs no token, `reader` any token, a role its own or the admin's. */
export type Audience = "anyone" | "reader" | Role;

/** One way in. */
export type AccessToken = { role: Role; token: string };

type KnownToken = { role: Role; digest: Buffer };

const CHALLENGE = 'Bearer realm="rollout-api", Basic realm="rollout-api", charset="UTF-8"';

export class AccessControl {
  readonly #tokens: readonly KnownToken[];

  /** No tokens: everybody is let in. */
  constructor(tokens: readonly AccessToken[] = []) {
    this.#tokens = tokens.map(({ role, token }) => ({ role, digest: digestOf(token) }));
  }

  get isOpen(): boolean {
    return this.#tokens.length === 0;
  }

  /** The refusal due to a request with this Authorization header; undefined = let it in. */
  check(audience: Audience, authorization: string | undefined): Answer | undefined {
    if (this.isOpen || audience === "anyone") return undefined;
    const presented = presentedToken(authorization);
    if (presented === undefined) return unauthorized("Not authenticated");
    const known = this.#rolesOf(presented);
    if (known.length === 0) return unauthorized("Invalid token");
    if (audience === "reader" || known.includes(audience) || known.includes("admin")) return undefined;
    return detailAnswer(403, `This token's role (${known.join(", ")}) may not do this: it takes ${audience}`);
  }

  /** Compares with every token and in full, so that the time taken tells nothing about any of them. */
  #rolesOf(token: string): Role[] {
    const digest = digestOf(token);
    return this.#tokens.filter((known) => timingSafeEqual(known.digest, digest)).map(({ role }) => role);
  }
}

function presentedToken(authorization: string | undefined): string | undefined {
  const [, scheme, credentials] = /^(Bearer|Basic) +(\S+)\s*$/i.exec(authorization ?? "") ?? [];
  if (scheme === undefined || credentials === undefined) return undefined;
  if (scheme.toLowerCase() === "bearer") return credentials;
  const pair = Buffer.from(credentials, "base64").toString("utf8");
  const colon = pair.indexOf(":");
  return colon === -1 ? undefined : pair.slice(colon + 1);
}

function digestOf(token: string): Buffer {
  return createHash("sha256").update(token).digest();
}

function unauthorized(detail: string): Answer {
  return detailAnswer(401, detail, { "www-authenticate": CHALLENGE });
}
