/** Formats in which each call is one JSON object between a start and an end tag: strict reading and writing. */
import { type PythonJsonOptions, rawDecode, skipWhitespace } from "../../src/contracts/python-json.ts";
import type { FormattableCompletion } from "../../src/contracts/tool-call-parser.ts";
import type { FoundCall, FoundError, Span, StrictInput, StrictReading } from "./define-parser.ts";
import { afterContent, callValue, dumpJsonWithout } from "./format-calls.ts";
import { type JsonCallShape, jsonCall } from "./json-calls.ts";
import { TagScanner } from "./tag-scanner.ts";
import { isInside } from "./thinking-spans.ts";

export type JsonTags = { start: string; end: string };

/** Where the blocks are. `body` is what stands between the tags; a last block may lack its end tag. */
export type TaggedBlock = { body: Span; raw: Span; closed: boolean };

/** Blocks from left to right: the first end tag after a start tag closes it. */
export function taggedBlocks(text: string, tags: JsonTags): TaggedBlock[] {
  const blocks: TaggedBlock[] = [];
  let position = 0;
  for (;;) {
    const start = text.indexOf(tags.start, position);
    if (start < 0) return blocks;
    const bodyStart = start + tags.start.length;
    const bodyEnd = text.indexOf(tags.end, bodyStart);
    if (bodyEnd < 0) {
      blocks.push({ body: [bodyStart, text.length], raw: [start, text.length], closed: false });
      return blocks;
    }
    position = bodyEnd + tags.end.length;
    blocks.push({ body: [bodyStart, bodyEnd], raw: [start, position], closed: true });
  }
}

/**
 * Strict reading: the JSON says where a call ends, so that an end tag inside a string does no harm, and a missing
 * one before the next call or the end of the text is forgiven.
 */
export function readTaggedStrictly(
  { text, thinking }: StrictInput,
  tags: JsonTags,
  shape: JsonCallShape = {},
  options?: PythonJsonOptions,
): StrictReading {
  const scanner = new TagScanner(text, [tags.start, tags.end]);
  const calls: FoundCall[] = [];
  const errors: FoundError[] = [];
  let position = 0;
  for (;;) {
    const start = scanner.next(position, [tags.start]);
    if (start === undefined) return { calls, errors };
    position = start.end;
    if (isInside(thinking, start.start)) continue;
    const decoded = rawDecode(text, skipWhitespace(text, start.end), options);
    const after = decoded.ok ? skipWhitespace(text, decoded.end) : start.end;
    const next = scanner.next(after);
    const closedAt = next === undefined ? text.length : next.tag === tags.end ? next.end : next.start;
    const raw: Span = [start.start, closedAt];
    position = closedAt;
    if (!decoded.ok) {
      const cutOff = next === undefined && decoded.reached >= text.length ? " The text ends within it." : "";
      const place = decoded.position - start.end;
      errors.push({
        reason: `The tool call is no valid JSON: ${decoded.message} (at character ${place}).${cutOff}`,
        raw,
      });
      continue;
    }
    if (after !== (next?.start ?? text.length)) {
      errors.push({ reason: `Expected ${tags.end} after the JSON of the tool call.`, raw });
      continue;
    }
    const call = jsonCall(decoded.value, { ...shape, objectsOnly: true });
    if (call.ok) calls.push({ name: call.name, arguments: call.arguments, raw });
    else errors.push({ reason: call.reason, raw });
  }
}

/** One block a call, a line each for tag, JSON and tag, as the models' chat templates write them. */
export function formatTagged({ content, toolCalls }: FormattableCompletion, tags: JsonTags): string {
  const blocks = toolCalls.map(
    (call) => `${tags.start}\n${dumpJsonWithout(callValue(call), [tags.start, tags.end])}\n${tags.end}`,
  );
  return afterContent(content, blocks.join("\n"));
}
