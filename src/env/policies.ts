/**
 * Policies that play an environment without a model, to find out whether its reward can be trusted: one that knows the
 * solution must get it, and one that does nothing, or cheats, must not.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { randomUUID } from "node:crypto";
import type {
  ChatCompletion,
  ChatMessage,
  ChatRequest,
  ChatServer,
  JsonObject,
  ToolSchema,
} from "../contracts/chat.ts";
import { LachesisError } from "../contracts/errors.ts";
import { deriveSeed } from "./derive-seed.ts";

export type PolicyCall = { name: string; arguments: JsonObject };

/** A turn without calls is the answer. */
export type PolicyTurn = { content?: string | null; calls?: readonly PolicyCall[] };

export type PolicyView = {
  messages: readonly ChatMessage[];
  tools: readonly ToolSchema[];
  /** Counts the rollout's turns, from 0. */
  turn: number;
};

export type Policy = (view: PolicyView) => PolicyTurn;

/** What an environment knows about playing itself. */
export type ValidationPolicies<Item> = {
  /** Plays the item to its solution; null where none is known. */
  gold(item: Item): Policy | null;
  /** Ways to a reward without solving anything; null where the item offers no such way. */
  cheats?: readonly { name: string; play(item: Item): Policy | null }[];
  /** Least mean reward of gold. @default 0.95 */
  goldAtLeast?: number;
  /** Greatest mean reward of doing nothing, of random play and of each cheat. @default 0.05 */
  nothingAtMost?: number;
};

/** Plays the turns one after the other; what comes beyond them is an empty answer. */
export function inTurn(...turns: readonly (PolicyTurn | Policy)[]): Policy {
  return (view) => {
    const turn = turns[view.turn] ?? { content: "" };
    return typeof turn === "function" ? turn(view) : turn;
  };
}

/** Says nothing and ends. */
export const emptyPolicy: Policy = () => ({ content: "" });

const words = "the a is 7 42 yes no red so of 3.5 answer therefore x = maybe print 1 and true".split(" ");
const randomCallTurns = 3;

/** Calls random tools with random arguments of the right types for some turns, then says random words. */
export function randomPolicy(seed: number): Policy {
  return ({ tools, turn }) => {
    const draw = (what: string, below: number) => deriveSeed(seed, what, turn) % below;
    const text = (what: string) =>
      Array.from(
        { length: 1 + draw(what, 12) },
        (_, index) => words[draw(`${what}${index}`, words.length)],
      ).join(" ");
    const tool = tools[draw("tool", Math.max(1, tools.length))];
    if (tool === undefined || turn >= randomCallTurns || draw("end", 4) === 0)
      return { content: text("answer") };
    const { properties } = tool.function.parameters;
    const names = typeof properties === "object" && properties !== null ? Object.entries(properties) : [];
    const filled = names.map(([name, schema]) => [name, randomValue(schema, text(name), draw(name, 100))]);
    return { content: null, calls: [{ name: tool.function.name, arguments: Object.fromEntries(filled) }] };
  };
}

function randomValue(schema: unknown, text: string, number: number): JsonObject[string] {
  const field = typeof schema === "object" && schema !== null ? schema : {};
  if ("enum" in field && Array.isArray(field.enum)) return String(field.enum[number % field.enum.length]);
  const type = "type" in field ? field.type : "string";
  if (type === "integer" || type === "number") return number;
  if (type === "boolean") return number % 2 === 0;
  return type === "array" ? [text] : type === "object" ? {} : text;
}

/** A chat server whose model is the policy of whichever rollout asks. */
export class PolicyServer implements ChatServer {
  readonly #policies = new AsyncLocalStorage<Policy>();

  /** Everything that `play` starts is answered by the policy. */
  playAs<T>(policy: Policy, play: () => Promise<T>): Promise<T> {
    return this.#policies.run(policy, play);
  }

  async chatCompletion({ messages, tools = [] }: ChatRequest): Promise<ChatCompletion> {
    const policy = this.#policies.getStore();
    if (policy === undefined) {
      throw new LachesisError("INTERNAL", "a request outside of any policy's rollout");
    }
    const turn = messages.filter(({ role }) => role === "assistant").length;
    const { content = null, calls = [] } = policy({ messages, tools, turn });
    const toolCalls = calls.map(({ name, arguments: args }) => ({
      id: `call_${randomUUID().slice(0, 8)}`,
      type: "function" as const,
      function: { name, arguments: JSON.stringify(args) },
    }));
    const hasCalls = toolCalls.length > 0;
    return {
      id: "policy",
      model: "policy",
      choices: [
        {
          index: 0,
          message: { role: "assistant", content, ...(hasCalls && { tool_calls: toolCalls }) },
          finish_reason: hasCalls ? "tool_calls" : "stop",
        },
      ],
    };
  }
}
