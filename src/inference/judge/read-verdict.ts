/**
 * A judge's answer as JSON. Strict: the answer is one JSON object, alone or in the only fenced block. An object in
 * running prose is not taken, for it may be a quotation of the text that is judged.
 */
export type ReadVerdict = { ok: true; value: unknown } | { ok: false; problem: string };

export function readVerdict(answer: string): ReadVerdict {
  const text = answer.split("</think>").at(-1) ?? "";
  const whole = parseObject(text.trim());
  if (whole !== undefined) return { ok: true, value: whole };
  const blocks = [...text.matchAll(/^```(?:json)?[ \t]*\n([\s\S]*?)\n```[ \t]*$/gm)];
  const [only] = blocks;
  if (only === undefined) return { ok: false, problem: "it is no JSON object" };
  if (blocks.length > 1) return { ok: false, problem: `it has ${blocks.length} blocks of code` };
  const inside = parseObject(only[1] ?? "");
  return inside === undefined
    ? { ok: false, problem: "its block of code is no JSON object" }
    : { ok: true, value: inside };
}

function parseObject(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
