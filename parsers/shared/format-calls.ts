/** What the writers (`format`) of several families share. */
import { type PythonValue, tryPythonJsonParse } from "../../src/contracts/python-json.ts";
import { dumpJson } from "./json-calls.ts";
import { thinkingTags } from "./thinking-spans.ts";

/** A call's arguments as a value; text that is no JSON stays a string. */
export function argumentsValue(text: string): PythonValue {
  const read = tryPythonJsonParse(text);
  return read.ok ? read.value : text;
}

/**
 * JSON in which none of `tags` occurs, nor those of thinking: within strings, where alone they can stand, their first
 * character is written as an escape. So the tags of the format can be carried inside arguments.
 */
export function dumpJsonWithout(value: PythonValue, tags: readonly string[]): string {
  let json = dumpJson(value);
  for (const tag of [...tags, ...thinkingTags]) {
    const [first = ""] = tag;
    const escaped = `\\u${first.charCodeAt(0).toString(16).padStart(4, "0")}${tag.slice(first.length)}`;
    json = json.replaceAll(tag, escaped);
  }
  return json;
}

/** `{"name": …, "arguments": …}`, as nearly every JSON format has it. */
export function callValue(
  call: { name: string; arguments: string },
  [nameKey, argumentsKey]: readonly [string, string] = ["name", "arguments"],
): PythonValue {
  return new Map<string, PythonValue>([
    [nameKey, call.name],
    [argumentsKey, argumentsValue(call.arguments)],
  ]);
}

/** Content, then what follows on a line of its own. */
export function afterContent(content: string | null | undefined, calls: string): string {
  if (!content) return calls;
  return calls === "" ? content : `${content}\n${calls}`;
}
