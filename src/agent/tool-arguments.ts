/** Reads what the model wrote as a call's arguments. A mistake is told to the model, never thrown. */

export type ParsedArguments = { ok: true; value: object } | { ok: false; error: string };

/** Accepts the text of one JSON object and nothing else. */
export function parseArguments(text: string): ParsedArguments {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error);
    return {
      ok: false,
      error: `The arguments are not valid JSON (${problem}). Call again with a JSON object.`,
    };
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return { ok: true, value };
  return {
    ok: false,
    error: `The arguments must be a JSON object, got ${kindOf(value)}. Call again with a JSON object.`,
  };
}

function kindOf(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "an array";
  return `a ${typeof value}`;
}
