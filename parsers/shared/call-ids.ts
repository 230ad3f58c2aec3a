/** Ids for calls of formats that carry none. Random: two turns of one conversation must never share one. */
import { randomBytes, randomInt } from "node:crypto";

/** `call_` and 24 hex digits, as OpenAI's API spells them. */
export function makeCallId(): string {
  return `call_${randomBytes(12).toString("hex")}`;
}

/** Mistral's templates refuse any id that is not 9 letters or digits. */
export function makeMistralCallId(): string {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
  return Array.from({ length: 9 }, () => alphabet.charAt(randomInt(alphabet.length))).join("");
}
