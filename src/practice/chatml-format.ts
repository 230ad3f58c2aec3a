/**
 * ChatML with tools, as the templates of Hermes and Qwen write it: turns between <|im_start|> and <|im_end|>,
 * schemas between <tools> and </tools> in the system prompt, results in <tool_response>, thinking in <think>.
 */
import type { AssistantMessage, ChatMessage, ToolSchema } from "../contracts/chat.ts";
import { rawDecode } from "../contracts/python-json.ts";
import { toolSchema } from "./chat-wire.ts";
import type {
  AnswerParts,
  ConversationFormat,
  PromptReading,
  PromptThinking,
} from "./conversation-format.ts";
import { type CallFormat, hermesCalls } from "./hermes-calls.ts";

const start = "<|im_start|>";
const endOfTurn = "<|im_end|>";

/** `calls`: how tool calls are written within the assistant's turns. */
export function chatMlFormat({ calls = hermesCalls }: { calls?: CallFormat } = {}): ConversationFormat {
  return {
    endOfTurn,
    readPrompt: (text) => new PromptReader(calls).read(text),
    writeAnswer: (parts) => writeAnswer(parts, calls),
    readAnswer: (text, prompt) => readAnswer(text, prompt, calls),
  };
}

function writeAnswer({ thoughts, thinking, ...completion }: AnswerParts, calls: CallFormat): string {
  const answer = calls.format(completion);
  if (thinking === "open") return `${thoughts ?? ""}\n</think>\n\n${answer}`;
  return thoughts === null || thinking === "off" ? answer : `<think>\n${thoughts}\n</think>\n\n${answer}`;
}

function readAnswer(text: string, prompt: PromptThinking, calls: CallFormat): AssistantMessage {
  const [reasoning, answer] = splitThinking(prompt === "open" ? `<think>${text}` : text);
  const { content, toolCalls } = calls.parse(answer);
  return {
    role: "assistant",
    content,
    ...(reasoning && { reasoning }),
    ...(toolCalls.length > 0 && {
      tool_calls: toolCalls.map((call) => ({
        id: call.id,
        type: "function" as const,
        function: { name: call.name, arguments: call.arguments },
      })),
    }),
  };
}

/** Thinking that was cut off before its end is all thinking. */
function splitThinking(text: string): [reasoning: string | null, answer: string] {
  const [, thoughts, answer = ""] = /^\s*<think>([\s\S]*?)(?:<\/think>\s*([\s\S]*))?$/.exec(text) ?? [];
  return thoughts === undefined ? [null, text] : [thoughts.trim(), answer];
}

class PromptReader {
  readonly #calls: CallFormat;
  readonly #messages: ChatMessage[] = [];
  #tools: ToolSchema[] = [];
  /** Ids of the last assistant turn's calls that no result has answered yet. */
  #open: string[] = [];
  #turns = 0;

  constructor(calls: CallFormat) {
    this.#calls = calls;
  }

  read(text: string): PromptReading {
    const [, ...parts] = text.split(start);
    let thinking: PromptThinking = "free";
    for (const [index, part] of parts.entries()) {
      const lineEnd = part.includes("\n") ? part.indexOf("\n") : part.length;
      const role = part.slice(0, lineEnd).trim();
      const body = part.slice(lineEnd + 1);
      const end = body.indexOf(endOfTurn);
      if (role === "assistant" && end < 0 && index === parts.length - 1) thinking = thinkingOf(body);
      else this.#add(role, end < 0 ? body : body.slice(0, end));
    }
    if (this.#messages.length === 0) this.#messages.push({ role: "user", content: text });
    return { messages: this.#messages, tools: this.#tools, thinking };
  }

  #add(role: string, body: string): void {
    if (role === "assistant") this.#addAssistant(body);
    else if (role === "system" || role === "developer") this.#addSystem(body);
    else this.#addUser(body);
  }

  #addUser(body: string): void {
    const results = toolResults(body);
    if (results === null) this.#messages.push({ role: "user", content: body });
    for (const content of results ?? []) {
      this.#messages.push({ role: "tool", tool_call_id: this.#open.shift() ?? "", content });
    }
  }

  #addAssistant(body: string): void {
    const message = readAnswer(body, "free", this.#calls);
    const turn = this.#turns;
    this.#turns += 1;
    const calls = message.tool_calls?.map((call, index) => ({ ...call, id: `call_${turn}_${index}` })) ?? [];
    this.#open = calls.map(({ id }) => id);
    this.#messages.push({ ...message, ...(calls.length > 0 && { tool_calls: calls }) });
  }

  /** Where tools are listed and nothing else is said, no one wrote a system prompt. */
  #addSystem(body: string): void {
    const [, list] = /<tools>\s*(\{[\s\S]*\})\s*<\/tools>/.exec(body) ?? [];
    if (list !== undefined) this.#tools = readTools(list);
    const heading = list === undefined ? -1 : body.indexOf("# Tools\n");
    const content = heading < 0 ? body : body.slice(0, heading).trimEnd();
    if (content !== "" || heading < 0) this.#messages.push({ role: "system", content });
  }
}

/** JSON objects one after the other. */
function readTools(list: string): ToolSchema[] {
  const tools: ToolSchema[] = [];
  for (let from = 0; from < list.length; ) {
    const decoded = rawDecode(list, from);
    if (!decoded.ok) break;
    const parsed = toolSchema.safeParse(parseJson(list.slice(from, decoded.end)));
    if (parsed.success) tools.push(parsed.data);
    from = list.indexOf("{", decoded.end);
    if (from < 0) break;
  }
  return tools;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** Null when the text is what a person said. */
function toolResults(body: string): string[] | null {
  const [, inner] = /^\s*<tool_response>\n?([\s\S]*?)\n?<\/tool_response>\s*$/.exec(body) ?? [];
  return inner?.split(/\n?<\/tool_response>\s*<tool_response>\n?/) ?? null;
}

function thinkingOf(opening: string): PromptThinking {
  if (!opening.includes("<think>")) return "free";
  return opening.includes("</think>") ? "off" : "open";
}
