/**
 * FunctionGemma's calls: `call:name{key:<escape>value<escape>,...}`. vLLM reads every value as JSON where it is JSON,
 * whatever the schema says, and knows only values between `<escape>`; strict mode also reads the bare ones.
 */
import {
  type PythonDict,
  type PythonValue,
  rawDecode,
  tryPythonJsonParse,
} from "../src/contracts/python-json.ts";
import type { FormattableCompletion } from "../src/contracts/tool-call-parser.ts";
import {
  defineParser,
  type FoundCall,
  type FoundError,
  type StrictInput,
  type StrictReading,
  type VllmReading,
} from "./shared/define-parser.ts";
import { afterContent, argumentsValue, dumpJsonWithout } from "./shared/format-calls.ts";
import { dumpJson } from "./shared/json-calls.ts";
import { pythonStrip } from "./shared/python-text.ts";
import { TagScanner } from "./shared/tag-scanner.ts";
import { isInside, thinkingTags } from "./shared/thinking-spans.ts";

const start = "<start_function_call>";
const end = "<end_function_call>";
const quoteTag = "<escape>";
const tags = [start, end, quoteTag];
const word = "[\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\u200c\\u200d]";
const opening = new RegExp(`${start}call:(${word}+)\\{`, "gu");
const lastWord = new RegExp(`${word}$`, "u");

export const functiongemmaParser = defineParser({
  name: "functiongemma",
  models: "FunctionGemma",
  limits: ["Tool names and argument names with other characters than letters, digits and underscores."],
  stream: { markers: [start], content: "trimmed" },
  readAsVllm,
  readStrictly,
  format: formatFunctionGemma,
});

function readAsVllm(text: string): VllmReading {
  const calls: FoundCall[] = [];
  const pattern = new RegExp(opening);
  for (let match = pattern.exec(text); match !== null; match = pattern.exec(text)) {
    const from = match.index + match[0].length;
    const closed = text.indexOf(`}${end}`, from);
    const to = closed < 0 ? text.length : closed;
    pattern.lastIndex = closed < 0 ? text.length : closed + 1 + end.length;
    calls.push({
      name: match[1] ?? "",
      arguments: dumpJson(escapedValues(text.slice(from, to))),
      raw: [match.index, pattern.lastIndex],
    });
  }
  if (calls.length === 0) return { content: text, calls };
  return { content: pythonStrip(text.slice(0, text.indexOf(start))) || null, calls };
}

/** Every `name:<escape>value<escape>`, wherever it stands. */
function escapedValues(body: string): PythonDict {
  const values: PythonDict = new Map();
  let position = 0;
  for (;;) {
    const at = body.indexOf(`:${quoteTag}`, position);
    if (at < 0) return values;
    const name = wordBefore(body, position, at);
    const from = at + 1 + quoteTag.length;
    const to = body.indexOf(quoteTag, from);
    if (name === "") {
      position = from;
      continue;
    }
    if (to < 0) return values;
    values.set(name, readValue(body.slice(from, to)));
    position = to + quoteTag.length;
  }
}

function wordBefore(text: string, from: number, to: number): string {
  let begin = to;
  while (begin > from) {
    const width = begin - from > 1 && /[\udc00-\udfff]/.test(text.charAt(begin - 1)) ? 2 : 1;
    if (!lastWord.test(text.slice(begin - width, begin))) break;
    begin -= width;
  }
  return text.slice(begin, to);
}

function readValue(text: string): PythonValue {
  const read = tryPythonJsonParse(text);
  return read.ok ? read.value : text;
}

function readStrictly({ text, thinking }: StrictInput): StrictReading {
  const scanner = new TagScanner(text, tags);
  const calls: FoundCall[] = [];
  const errors: FoundError[] = [];
  let position = 0;
  for (;;) {
    const tag = scanner.next(position, [start]);
    if (tag === undefined) return { calls, errors };
    position = tag.end;
    if (isInside(thinking, tag.start)) continue;
    const next = scanner.next(tag.end, [start, end]);
    const limit = next === undefined ? text.length : next.tag === end ? next.end : next.start;
    const call = readCall(text, tag, scanner);
    if ("reason" in call) errors.push({ reason: call.reason, raw: [tag.start, limit] });
    else calls.push(call);
    position = "reason" in call ? limit : call.raw[1];
  }
}

function readCall(
  text: string,
  tag: { start: number; end: number },
  scanner: TagScanner<string>,
): FoundCall | { reason: string } {
  const pattern = new RegExp(opening.source, "uy");
  pattern.lastIndex = tag.start;
  const [head, name = ""] = pattern.exec(text) ?? [];
  if (head === undefined) return { reason: "A call must begin with call:name{." };
  const values: PythonDict = new Map();
  let position = tag.start + head.length;
  while (text.charAt(position) !== "}") {
    const colon = /[^:{},<]*/y;
    colon.lastIndex = position;
    const key = pythonStrip(colon.exec(text)?.[0] ?? "");
    position = colon.lastIndex;
    if (key === "" || text.charAt(position) !== ":")
      return { reason: `Expected key:value in the call of ${name}.` };
    const value = readStrictValue(text, position + 1, scanner);
    if (value === undefined) return { reason: `The value of ${key} in the call of ${name} does not end.` };
    values.set(key, value.value);
    position = value.end;
    if (text.charAt(position) === ",") position++;
    else if (text.charAt(position) !== "}")
      return { reason: `Expected "," or "}" after ${key} in the call of ${name}.` };
  }
  if (!text.startsWith(end, position + 1)) return { reason: `Expected ${end} after the call of ${name}.` };
  return { name, arguments: dumpJson(values), raw: [tag.start, position + 1 + end.length] };
}

/** `<escape>text<escape>`, JSON, or bare text up to the next "," or "}". */
function readStrictValue(
  text: string,
  from: number,
  scanner: TagScanner<string>,
): { value: PythonValue; end: number } | undefined {
  if (text.startsWith(quoteTag, from)) {
    const to = scanner.next(from + quoteTag.length, [quoteTag]);
    return to && { value: readValue(text.slice(from + quoteTag.length, to.start)), end: to.end };
  }
  const decoded = rawDecode(text, from);
  if (decoded.ok) return decoded;
  const bare = /[^,{}<]*/y;
  bare.lastIndex = from;
  const value = bare.exec(text)?.[0] ?? "";
  return bare.lastIndex >= text.length ? undefined : { value, end: bare.lastIndex };
}

function formatFunctionGemma({ content, toolCalls }: FormattableCompletion): string {
  const calls = toolCalls.map((call) => {
    const value = argumentsValue(call.arguments);
    const dict: PythonDict = value instanceof Map ? value : new Map([["input", value]]);
    const items = [...dict].map(([key, item]) => `${key}:${quoteTag}${spell(item)}${quoteTag}`);
    return `${start}call:${call.name}{${items.join(",")}}${end}`;
  });
  return afterContent(content, calls.join(""));
}

/** Text as it is, unless it would be read as JSON or as a tag: then it is JSON itself. */
function spell(value: PythonValue): string {
  const isPlain =
    typeof value === "string" &&
    !tryPythonJsonParse(value).ok &&
    ![...tags, ...thinkingTags].some((tag) => value.includes(tag));
  return isPlain ? value : dumpJsonWithout(value, tags);
}
