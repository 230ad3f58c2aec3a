/** JSON that also keeps bigints and the numbers that JSON has no words for. */

const BIGINT = "$bigint";
const NUMBER = "$number";

export function encodeState(state: object): string {
  return JSON.stringify(state, (_key, value: unknown) => {
    if (typeof value === "bigint") return { [BIGINT]: value.toString() };
    if (typeof value === "number" && !Number.isFinite(value)) return { [NUMBER]: String(value) };
    return value;
  });
}

/** What encodeState was given. Throws a SyntaxError for what it did not write. */
export function decodeState(text: string): unknown {
  return JSON.parse(text, (_key, value: unknown) => {
    if (typeof value !== "object" || value === null) return value;
    if (BIGINT in value) return BigInt(String(value[BIGINT]));
    if (NUMBER in value) return Number(value[NUMBER]);
    return value;
  });
}
