/**
 * The file of `run-api --token-file`: one `role: token` a line, roles env, trainer and admin, as many lines
 * per role as there are tokens. `#` begins a comment. As YAML, a role may also have a list of tokens.
 */
import { readFile } from "node:fs/promises";
import { InvalidArgumentError } from "commander";
import { isMap, isScalar, isSeq, parseDocument } from "yaml";
import { LachesisError } from "../contracts/errors.ts";
import { type AccessToken, type Role, roles } from "../rollout-api/access.ts";

/** Rejects with TOKEN_FILE_INVALID; its message names the role and the place, never a token. */
export async function readTokenFile(path: string): Promise<AccessToken[]> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (cause) {
    throw invalid(`Can't read the token file ${path}: ${cause instanceof Error ? cause.message : cause}`);
  }
  return parseTokens(text, path);
}

/** The part of `readTokenFile` that needs no file. */
export function parseTokens(text: string, path: string): AccessToken[] {
  // Tokens that look like numbers stay text, and a role may stand on several lines.
  const document = parseDocument(text, { schema: "failsafe", uniqueKeys: false, prettyErrors: false });
  const [problem] = document.errors;
  if (problem !== undefined || !isMap(document.contents)) {
    throw invalid(`${path}: expected lines of "role: token"`);
  }
  const tokens: AccessToken[] = [];
  for (const { key, value } of document.contents.items) {
    const role = isScalar(key) ? String(key.value) : "";
    if (!isRole(role)) throw invalid(`${path}: "${role}" is no role; roles are ${roles.join(", ")}`);
    for (const item of isSeq(value) ? value.items : [value]) {
      const token = isScalar(item) ? String(item.value) : "";
      if (!isToken(token)) {
        throw invalid(`${path}: a token of ${role}: expected visible ASCII characters without spaces`);
      }
      tokens.push({ role, token });
    }
  }
  if (tokens.length === 0) throw invalid(`${path}: expected at least one line of "role: token"`);
  return tokens;
}

/** The value of `--token`. */
export function parseToken(text: string): string {
  if (!isToken(text)) throw new InvalidArgumentError("Expected visible ASCII characters without spaces.");
  return text;
}

/** True for text that an Authorization header can carry. */
function isToken(text: string): boolean {
  return /^[!-~]+$/.test(text);
}

function isRole(text: string): text is Role {
  return roles.some((role) => role === text);
}

function invalid(message: string): LachesisError {
  return new LachesisError("TOKEN_FILE_INVALID", message, {
    hint: 'One "role: token" a line, e.g. "trainer: 3f9c…"; `openssl rand -hex 24` makes a good token.',
  });
}
