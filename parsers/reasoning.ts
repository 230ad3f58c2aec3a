/**
 * Reasoning parsers: what of a completion is thinking, and what is left for the tool-call parser. They agree with
 * vLLM's; where vLLM reads them with its engine, a tag that begins a call ends the thinking too.
 */
import { closestNames } from "../src/contracts/closest-names.ts";
import { LachesisError } from "../src/contracts/errors.ts";
import type { ReasoningParser, SplitReasoning } from "../src/contracts/tool-call-parser.ts";
import { pythonStripEnd } from "./shared/python-text.ts";
import { TagScanner } from "./shared/tag-scanner.ts";

type Split = (text: string, thinking: boolean) => SplitReasoning;

/** From `contentStart` on all is content. */
function splitAt(text: string, reasoning: string, contentStart: number): SplitReasoning {
  const content = text.slice(contentStart);
  return { reasoning: reasoning || null, content: content || null, contentStart: content ? contentStart : 0 };
}

const allContent = (text: string): SplitReasoning => ({
  reasoning: null,
  content: text || null,
  contentStart: 0,
});

type Tags = { open: string; close: string };
const think: Tags = { open: "<think>", close: "</think>" };

/** Up to the first closing tag all is thinking, whether it was opened or not; without one, everything is. */
function beforeClose(tags: Tags): Split {
  return (text) => {
    const open = text.indexOf(tags.open);
    const start = open < 0 ? 0 : open + tags.open.length;
    const close = text.indexOf(tags.close, start);
    if (close < 0) return { reasoning: text.slice(start), content: null, contentStart: 0 };
    return { ...splitAt(text, "", close + tags.close.length), reasoning: text.slice(start, close) };
  };
}

type EngineRule = {
  tags: Tags;
  /** Tags that begin a call and so end the thinking; they belong to the content. */
  ends?: readonly string[];
  /** The template opened the thinking: the text begins inside. */
  startsInside: boolean;
  /** Whether an opening tag in content begins thinking; else it is text. */
  opens?: boolean;
  /** What to do with an answer that is all thinking. */
  loneReasoning?: "content";
};

/** vLLM's engine: text may go in and out of thinking, and stray tags vanish. */
function byEngine({
  tags,
  ends = [],
  startsInside,
  opens = !startsInside,
  loneReasoning,
}: EngineRule): Split {
  return (text, thinking) => {
    if (!thinking && startsInside) return allContent(text);
    const scanner = new TagScanner(text, [tags.open, tags.close, ...ends]);
    let inside = startsInside;
    let reasoning = "";
    const pieces: { start: number; end: number }[] = [];
    const take = (start: number, end: number) => {
      if (inside) reasoning += text.slice(start, end);
      else if (end > start) {
        const last = pieces.at(-1);
        if (last?.end === start) last.end = end;
        else pieces.push({ start, end });
      }
    };
    let position = 0;
    for (let tag = scanner.next(0); tag !== undefined; tag = scanner.next(position)) {
      const isText = tag.tag === tags.open && !inside && !opens;
      take(position, isText ? tag.end : tag.start);
      position = tag.end;
      if (isText) continue;
      if (ends.includes(tag.tag)) {
        inside = false;
        position = tag.start;
        break;
      }
      inside = tag.tag === tags.open;
    }
    take(position, text.length);
    reasoning = pythonStripEnd(reasoning);
    const content = pieces.map(({ start, end }) => text.slice(start, end)).join("");
    if (loneReasoning === "content" && content === "" && reasoning !== "") return allContent(reasoning);
    const [only] = pieces;
    const contentStart = pieces.length === 1 && only !== undefined ? only.start : 0;
    return { reasoning: reasoning || null, content: content || null, contentStart };
  };
}

function trimNewlines(split: Split): Split {
  return (text, thinking) => {
    const { reasoning, content, contentStart } = split(text, thinking);
    const cut = content?.startsWith("\n") ? 1 : 0;
    return {
      reasoning: reasoning?.replace(/\n$/, "") || null,
      content: content?.slice(cut) || null,
      contentStart: content !== null && content.length > cut ? contentStart + cut : 0,
    };
  };
}

function step3(text: string): SplitReasoning {
  const close = text.indexOf(think.close);
  if (close < 0) return { reasoning: text || null, content: null, contentStart: 0 };
  return splitAt(text, text.slice(0, close), close + think.close.length);
}

function olmo3(text: string): SplitReasoning {
  const start = text.startsWith(think.open) ? think.open.length : 0;
  const close = text.indexOf(think.close, start);
  if (close < 0) return { reasoning: null, content: text, contentStart: 0 };
  return splitAt(text, text.slice(start, close), close + think.close.length);
}

function ernie45(text: string): SplitReasoning {
  const base = beforeClose(think)(text, true);
  if (base.content === null) return base;
  const start = base.content.indexOf("<response>");
  const end = base.content.lastIndexOf("</response>");
  if (start < 0 || end <= start) return base;
  const from = start + "<response>".length;
  return {
    ...base,
    content: base.content.slice(from, end) || null,
    contentStart: base.contentStart + from,
  };
}

const thoughtProcess = /Here(?:'s| is) my thought process:/;
const response = /Here(?:'s| is) my response:/;

function granite(text: string): SplitReasoning {
  const start = thoughtProcess.exec(text);
  const from = start === null ? 0 : start.index + start[0].length;
  const end = start === null ? null : response.exec(text.slice(from));
  if (end === null) return { reasoning: null, content: text, contentStart: 0 };
  return {
    ...splitAt(text, "", from + end.index + end[0].length),
    reasoning: text.slice(from, from + end.index),
  };
}

const answer = { open: "\n</think>\n<answer>\n", close: "\n</answer>" };

/** The answer's end decides which of the two patterns of vLLM holds; without the thinking's they differ. */
function hunyuanA13b(text: string): SplitReasoning {
  const open = text.indexOf("<think>\n");
  const from = open + "<think>\n".length;
  const middle = open < 0 ? -1 : text.indexOf(answer.open, from);
  const contentStart = middle + answer.open.length;
  if (open === 0 && middle >= 0) {
    const end = text.indexOf(answer.close, contentStart);
    const content = end < 0 ? withoutEnd(text.slice(contentStart)) : text.slice(contentStart, end);
    return { reasoning: text.slice(from, middle) || null, content: content || null, contentStart };
  }
  const end = text.indexOf(answer.close);
  if (end >= 0) return { reasoning: null, content: text.slice(0, end) || null, contentStart: 0 };
  if (middle < 0) return { reasoning: null, content: text, contentStart: 0 };
  const content = withoutEnd(text.slice(contentStart));
  return { reasoning: text.slice(from, middle) || null, content: content || null, contentStart };
}

function withoutEnd(text: string): string {
  return text.endsWith(answer.close) ? text.slice(0, -answer.close.length) : text;
}

function minimaxM3(text: string, thinking: boolean): SplitReasoning {
  const tags: Tags = { open: "<mm:think>", close: "</mm:think>" };
  if (text.startsWith(tags.close)) return splitAt(text, "", tags.close.length);
  const open = text.indexOf(tags.open);
  if (open < 0) {
    const close = thinking ? text.indexOf(tags.close) : -1;
    if (close < 0) return { reasoning: null, content: text, contentStart: 0 };
    return splitAt(text, text.slice(0, close), close + tags.close.length);
  }
  const from = open + tags.open.length;
  const close = text.indexOf(tags.close, from);
  const before = text.slice(0, open);
  if (close < 0) return { reasoning: text.slice(from), content: before || null, contentStart: 0 };
  const after = close + tags.close.length;
  if (before === "") return { ...splitAt(text, "", after), reasoning: text.slice(from, close) };
  return { reasoning: text.slice(from, close), content: before + text.slice(after), contentStart: 0 };
}

/** Thinking and answer are channels that carry their names. */
function gptOss(text: string): SplitReasoning {
  const pattern = /<\|channel\|>(analysis|commentary|final)([^<]*)(?:<\|constrain\|>[^<]*)?<\|message\|>/g;
  const headers = [...text.matchAll(pattern)];
  if (headers.length === 0) return { reasoning: null, content: text || null, contentStart: 0 };
  const reasoning: string[] = [];
  const scanner = new TagScanner(text, ["<|end|>", "<|return|>", "<|call|>", "<|start|>", "<|channel|>"]);
  let firstOther: number | undefined;
  for (const header of headers) {
    const start = header.index + header[0].length;
    const isThought = header[1] === "analysis" && !/to=/.test(header[2] ?? "");
    if (isThought) reasoning.push(text.slice(start, scanner.next(start)?.start ?? text.length));
    else firstOther ??= header.index;
  }
  const thought = reasoning.join("\n") || null;
  if (firstOther === undefined) return { reasoning: thought, content: null, contentStart: 0 };
  return { ...splitAt(text, "", firstOther), reasoning: thought };
}

const qwenEnds = ["<tool_call>"];
const inside = { tags: think, startsInside: true };

const parsers: readonly ReasoningParser[] = [
  define(["deepseek_r1", "deepseek-r1", "hy_v3", "poolside_v1"], beforeClose(think)),
  define(
    ["deepseek_v3", "deepseek-v3"],
    (text, thinking) => (thinking ? beforeClose(think)(text, true) : plain(text)),
    {
      thinking: false,
    },
  ),
  define(["holo2"], (text, thinking) => (thinking ? beforeClose(think)(text, true) : plain(text))),
  define(
    ["deepseek_v4", "deepseek-v4"],
    byEngine({ ...inside, opens: true, ends: ["<｜DSML｜tool_calls>"] }),
  ),
  define(
    ["qwen3", "mimo", "nemotron_v3", "nemotron_3", "qwen3-thinking"],
    byEngine({ ...inside, ends: qwenEnds }),
  ),
  define(
    ["seed_oss"],
    byEngine({
      tags: { open: "<seed:think>", close: "</seed:think>" },
      startsInside: true,
      ends: ["<seed:tool_call>"],
    }),
  ),
  define(["glm45", "glm47"], byEngine({ ...inside, opens: true, ends: qwenEnds })),
  define(["ling3"], byEngine({ ...inside, opens: true, ends: qwenEnds, loneReasoning: "content" })),
  define(["kimi_k2"], byEngine({ ...inside, ends: ["<|tool_calls_section_begin|>"] })),
  define(["kimi"], beforeClose({ open: "◁think▷", close: "◁/think▷" })),
  define(
    ["kimi_k3"],
    byEngine({ tags: { open: "<|open|>think<|sep|>", close: "<|close|>think<|sep|>" }, startsInside: false }),
  ),
  define(["minimax_m2", "minimax"], byEngine({ ...inside, ends: ["<minimax:tool_call>"] })),
  define(["minimax_m2_append_think", "minimax-append-think"], (text) => allContent(think.open + text)),
  define(["minimax_m3", "minimax-m3"], minimaxM3),
  define(
    ["mistral"],
    byEngine({ tags: { open: "[THINK]", close: "[/THINK]" }, startsInside: false, ends: ["[TOOL_CALLS]"] }),
  ),
  define(["step3"], step3),
  define(["step3p5"], trimNewlines(beforeClose(think))),
  define(["ernie45"], ernie45),
  define(["granite"], granite),
  define(["hunyuan_a13b", "hunyuan"], hunyuanA13b),
  define(["olmo3"], olmo3),
  define(
    ["gemma4"],
    byEngine({
      tags: { open: "<|channel>thought\n", close: "<channel|>" },
      startsInside: false,
      ends: ["<|tool_call>"],
    }),
  ),
  define(
    ["inkling"],
    byEngine({ tags: { open: "<|content_thinking|>", close: "<|end_message|>" }, startsInside: false }),
  ),
  define(
    ["cohere_command3", "cohere_command4"],
    byEngine({ tags: { open: "<|START_THINKING|>", close: "<|END_THINKING|>" }, startsInside: false }),
  ),
  define(["openai_gptoss", "gpt-oss"], gptOss),
].flat();

function plain(text: string): SplitReasoning {
  return { reasoning: null, content: text, contentStart: 0 };
}

/** `thinking` says what holds where nobody says whether the template switched it on. */
function define(names: readonly string[], split: Split, { thinking = true } = {}): ReasoningParser[] {
  return names.map((name) => ({
    name,
    split: (text, context = {}) => split(text, context.thinking ?? thinking),
  }));
}

const byName = new Map(parsers.map((parser) => [parser.name, parser]));

export const reasoningParserNames: readonly string[] = [...byName.keys()].sort();

/** The reasoning parser of a name of vLLM or SGLang; throws PARSER_UNKNOWN. */
export function getReasoningParser(name: string): ReasoningParser {
  const parser = byName.get(name);
  if (parser !== undefined) return parser;
  const [close] = closestNames(name, reasoningParserNames, 1);
  throw new LachesisError("PARSER_UNKNOWN", `There is no reasoning parser named "${name}".`, {
    hint: close === undefined ? `Known: ${reasoningParserNames.join(", ")}.` : `Did you mean "${close}"?`,
  });
}
