/** A dataset's row as plain JSON: big integers that JSON can't hold and bytes become text. */
import { z } from "zod";
import type { JsonObject } from "../contracts/chat.ts";

const jsonObject: z.ZodType<JsonObject> = z.record(z.string(), z.json());

export function rowAsJson(row: Readonly<Record<string, unknown>>): JsonObject {
  const text = JSON.stringify(row, (_key, value: unknown) => {
    if (typeof value === "bigint") return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
    return value instanceof Uint8Array ? Buffer.from(value).toString("base64") : value;
  });
  return jsonObject.parse(JSON.parse(text));
}
