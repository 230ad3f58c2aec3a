/** Ids for calls of formats that carry none. Random: two turns of one conversation must never share one. */
import { randomInt, randomUUID } from "node:crypto";

/** `call_` and 24 hex digits, as OpenAI's API spells them. UUIDs come from a pool: bytes cost twenty times as much. */
export function makeCallId(): string {
  return `call_${randomUUID().replaceAll("-", "").slice(0, 24)}`;
}

/** Mistral's templates refuse any id that is not 9 letters or digits. */
export function makeMistralCallId(): string {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
  return Array.from({ length: 9 }, () => alphabet.charAt(randomInt(alphabet.length))).join("");
}
