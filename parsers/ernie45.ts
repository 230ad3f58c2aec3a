/** ERNIE 4.5's format: Hermes' tags, around objects in which even name and arguments may lack. */
import { defineParser, type FoundCall, type Span, type VllmReading } from "./shared/define-parser.ts";
import { readJsonCall } from "./shared/json-calls.ts";
import { isPythonSpace } from "./shared/python-text.ts";
import { formatTagged, readTaggedStrictly } from "./shared/tagged-json.ts";

const tags = { start: "<tool_call>", end: "</tool_call>" };
const noArguments = new Map();

export const ernie45Parser = defineParser({
  name: "ernie45",
  models: "ERNIE 4.5",
  stream: { markers: [tags.start], content: "trimmed" },
  readAsVllm,
  readStrictly: (input) => readTaggedStrictly(input, tags, { missingArguments: noArguments }),
  format: (completion) => formatTagged(completion, tags),
});

/** A block counts only if it runs from a brace right after its tag to a brace right before an end tag. */
function readAsVllm(text: string): VllmReading {
  const first = text.indexOf(tags.start);
  if (first < 0) return { content: text, calls: [] };
  const ends = braceEnds(text);
  const calls: FoundCall[] = [];
  let candidate = 0;
  for (let start = first; start >= 0; ) {
    let brace = start + tags.start.length;
    while (isPythonSpace(text.charCodeAt(brace))) brace++;
    let next = start + 1;
    if (text.charAt(brace) === "{") {
      while (candidate < ends.length && (ends[candidate]?.brace ?? 0) <= brace) candidate++;
      const end = ends[candidate];
      if (end !== undefined) {
        const raw: Span = [start, end.end];
        const call = readJsonCall(text.slice(brace, end.brace + 1), {
          missingName: "",
          missingArguments: noArguments,
        });
        if (!call.ok) return { content: text, calls: [], errors: [{ reason: call.reason, raw }] };
        calls.push({ name: call.name, arguments: call.arguments, raw });
        next = end.end;
      }
    }
    start = text.indexOf(tags.start, next);
  }
  let contentEnd = first;
  while (contentEnd > 0 && text.charAt(contentEnd - 1) === "\n") contentEnd--;
  const errors =
    calls.length > 0
      ? []
      : [{ reason: `Expected ${tags.end} after the tool call.`, raw: [first, text.length] as const }];
  return { content: text.slice(0, contentEnd) || null, calls, errors };
}

/** The end tags that follow a closing brace, with nothing but whitespace between. */
function braceEnds(text: string): { brace: number; end: number }[] {
  const ends: { brace: number; end: number }[] = [];
  for (let tag = text.indexOf(tags.end); tag >= 0; tag = text.indexOf(tags.end, tag + 1)) {
    let brace = tag - 1;
    while (brace >= 0 && isPythonSpace(text.charCodeAt(brace))) brace--;
    if (text.charAt(brace) === "}") ends.push({ brace, end: tag + tags.end.length });
  }
  return ends;
}
