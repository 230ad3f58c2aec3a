/**
 * Tool calls as Hermes and Qwen write them: `<tool_call>\n{"name": …, "arguments": …}\n</tool_call>`. Kept apart
 * from the parsers that environments use, so that a mistake in one can't hide in the other.
 */
import { type PythonValue, pythonJsonDumps, tryPythonJsonParse } from "../contracts/python-json.ts";
import type {
  FormattableCompletion,
  ParsedCompletion,
  ParsedToolCall,
  ToolCallParser,
} from "../contracts/tool-call-parser.ts";

export type CallFormat = Pick<ToolCallParser, "parse" | "format">;

const block = /<tool_call>([\s\S]*?)<\/tool_call>/g;

export const hermesCalls: CallFormat = { parse, format };

function format({ content, toolCalls }: FormattableCompletion): string {
  const calls = toolCalls.map(
    (call) =>
      `<tool_call>\n{"name": ${pythonJsonDumps(call.name)}, "arguments": ${call.arguments}}\n</tool_call>`,
  );
  return [...(content ? [content] : []), ...calls].join("\n");
}

/** What is no whole call stays text. */
function parse(text: string): ParsedCompletion {
  const toolCalls: ParsedToolCall[] = [];
  let rest = "";
  let end = 0;
  for (const match of text.matchAll(block)) {
    const call = readCall(match[1] ?? "");
    if (!call) continue;
    rest += text.slice(end, match.index).trimEnd();
    end = match.index + match[0].length;
    toolCalls.push({ id: `call_${toolCalls.length}`, raw: [match.index, end], ...call });
  }
  rest += text.slice(end);
  return { content: rest === "" ? null : rest, reasoning: null, toolCalls, errors: [] };
}

function readCall(json: string): Pick<ParsedToolCall, "name" | "arguments"> | null {
  const parsed = tryPythonJsonParse(json.trim());
  if (!parsed.ok || !(parsed.value instanceof Map)) return null;
  const name: PythonValue | undefined = parsed.value.get("name");
  if (typeof name !== "string") return null;
  return { name, arguments: pythonJsonDumps(parsed.value.get("arguments") ?? new Map()) };
}
