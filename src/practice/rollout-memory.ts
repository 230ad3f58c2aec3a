/**
 * Finds the rollout to which a request belongs, so that a rollout errs as a whole or not at all. Chat carries
 * the fate in the ids of tool calls. Prompts of ids carry nothing: there the session id tells, and without one
 * the conversation so far, of which every open rollout is remembered. Of rollouts that were played alike up to
 * here, the one goes on whose last request had the same seed, or the seed before; without seeds they may be taken
 * for one another, which no one can notice.
 */
import { createHash } from "node:crypto";
import type { AssistantMessage, ChatMessage } from "../contracts/chat.ts";
import { type FateDraw, fateOfCallId, type RolloutFate } from "./rollout-fate.ts";

export type RolloutPlace = {
  task: number;
  messages: readonly ChatMessage[];
  sessionId: string | null;
};

export type FateRequest = RolloutPlace & { count: number; seed: number | null; greedy: boolean };

export class RolloutMemory {
  readonly #draw: FateDraw;
  readonly #bySession: BoundedMap<RolloutFate[]>;
  /** Rollouts by what was said in them: those that wait for their next turn, and the last that went on. */
  readonly #open: BoundedMap<{ waiting: OpenRollout[]; last: RolloutFate }>;

  constructor({ draw, capacity = 20_000 }: { draw: FateDraw; capacity?: number }) {
    this.#draw = draw;
    this.#bySession = new BoundedMap(capacity);
    this.#open = new BoundedMap(capacity);
  }

  /** One fate for each of `count` answers. */
  fatesOf(request: FateRequest): RolloutFate[] {
    const { messages, count } = request;
    const known = fateInCallIds(messages) ?? (answersIn(messages).length > 0 ? this.#goOn(request) : null);
    if (known) return Array.from({ length: count }, () => known);
    const fates = this.#sessionFates(request);
    while (fates.length < count) fates.push(this.#begin(request, fates.length));
    return fates.slice(0, count);
  }

  /** Keeps an answer's rollout in mind until its next turn comes. `seed`: that of its request. */
  remember(
    place: RolloutPlace & { seed?: number | null },
    answer: AssistantMessage,
    fate: RolloutFate,
  ): void {
    const key = conversationKey({ ...place, messages: [...place.messages, answer] });
    const waiting = this.#open.get(key)?.waiting ?? [];
    const open = { fate, seed: place.seed ?? null };
    this.#open.set(key, { waiting: [...waiting, open].slice(-maxAlike), last: fate });
  }

  #begin({ task, seed, greedy }: FateRequest, index: number): RolloutFate {
    if (greedy) return this.#draw.greedy(task);
    return seed === null ? this.#draw.draw(task) : this.#draw.seeded(task, seed, index);
  }

  #goOn(request: FateRequest): RolloutFate | null {
    const open = this.#open.get(conversationKey(request));
    const own = open === undefined ? -1 : placeOfSeed(open.waiting, request.seed);
    const [next] = open?.waiting.splice(Math.max(own, 0), 1) ?? [];
    if (open && next) {
      open.last = next.fate;
      // A request with a seed may be sent again, whoever comes between: it is answered alike.
      if (request.seed !== null && own !== -1) open.waiting.push(next);
    }
    // None waits when a request is sent again.
    return open?.last ?? this.#bySession.get(sessionKey(request))?.[0] ?? null;
  }

  /** Those that the session has already: its first turn may be sent again. */
  #sessionFates(request: FateRequest): RolloutFate[] {
    if (request.sessionId === null) return [];
    const key = sessionKey(request);
    const fates = this.#bySession.get(key) ?? [];
    this.#bySession.set(key, fates);
    return fates;
  }
}

const maxAlike = 256;

type OpenRollout = { fate: RolloutFate; seed: number | null };

/** -1 where there is none. A client's seed stays the same over the turns of a rollout, or counts them. */
function placeOfSeed(waiting: readonly OpenRollout[], asked: number | null): number {
  const same = waiting.findIndex(({ seed }) => seed === asked);
  if (same !== -1 || asked === null) return same;
  return waiting.findIndex(({ seed }) => seed === asked - 1);
}

class BoundedMap<Value> {
  readonly #capacity: number;
  readonly #values = new Map<string, Value>();

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  get(key: string): Value | undefined {
    return this.#values.get(key);
  }

  set(key: string, value: Value): void {
    this.#values.delete(key);
    this.#values.set(key, value);
    const [oldest] = this.#values.keys();
    if (this.#values.size > this.#capacity && oldest !== undefined) this.#values.delete(oldest);
  }
}

const sessionKey = ({ task, sessionId }: RolloutPlace): string => JSON.stringify([task, sessionId]);

const answersIn = (messages: readonly ChatMessage[]): AssistantMessage[] =>
  messages.flatMap((message) => (message.role === "assistant" ? [message] : []));

/** Without thinking, which templates leave out of the history, and without call ids, which are made up. */
function conversationKey({ task, messages, sessionId }: RolloutPlace): string {
  const said = answersIn(messages).map(({ content, tool_calls = [] }) => [
    content?.trim() ?? "",
    ...tool_calls.map((call) => [call.function.name, call.function.arguments]),
  ]);
  return createHash("sha256")
    .update(JSON.stringify([task, sessionId, said]))
    .digest("base64");
}

function fateInCallIds(messages: readonly ChatMessage[]): RolloutFate | null {
  for (const { tool_calls = [] } of answersIn(messages).toReversed()) {
    for (const { id } of tool_calls) {
      const fate = fateOfCallId(id);
      if (fate) return fate;
    }
  }
  return null;
}
