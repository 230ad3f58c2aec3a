/**
 * A rollout's turns as a tree: a prompt holds the ids that came since the turn before it, a turn the ids that the
 * model sampled from its prompt. Whatever branches share is stored once. Nothing is ever changed or removed, so
 * calls of one rollout may run at the same time.
 */
import type { AssistantMessage, ChatMessage } from "../contracts/chat.ts";
import { hasMessagesAt } from "./same-message.ts";
import type { AnswerTraits } from "./turn-renderer.ts";

/** Why a prompt starts a segment of its own; the first one's reason is "first-turn". */
export type NewSegmentReason =
  | "first-turn"
  /** Nothing in common with what was played: a sub-agent. */
  | "other-conversation"
  /** The agent changed, dropped or compacted earlier messages. */
  | "messages-edited"
  | "system-changed"
  | "tools-changed"
  /** The template writes earlier turns differently now, e.g. without their thinking. */
  | "history-rewritten"
  /** An answer that the model had ended is to be continued. */
  | "answer-reopened"
  /** The template can't write what comes after the answer. */
  | "template-refused";

export type PromptNode = {
  /** Null where a segment starts. */
  readonly after: TurnNode | null;
  readonly reason: NewSegmentReason | null;
  /** Those since `after`, or all of the conversation. Null for a prompt given as text. */
  readonly messages: readonly ChatMessage[] | null;
  /** Tools and template variables it was rendered with, as text. */
  readonly settings: string;
  readonly ids: readonly number[];
  /** Text of `ids`. */
  readonly text: string;
  /** What the template wrote from the end of the answer on: `text`, and before it the answer's closing token. */
  readonly afterAnswer: string;
  /** What answers that stand in `text` hold; null when a turn comes before, or none holds anything. */
  readonly held: AnswerTraits | null;
  readonly turns: TurnNode[];
};

export type TurnNode = {
  readonly prompt: PromptNode;
  readonly message: AssistantMessage;
  readonly ids: readonly number[];
  readonly logprobs: readonly number[];
  readonly versions: readonly number[] | null;
  readonly finishReason: string;
  readonly text: string;
  /** The text of the token that ended the turn; "" when it was cut or stopped otherwise. */
  readonly end: string;
  /** Which call of the rollout it answered: samples of one call share it. */
  readonly call: number;
  /** What this and the segment's earlier answers hold. */
  readonly traits: AnswerTraits;
  /** Turns committed before it. */
  readonly order: number;
  readonly prompts: PromptNode[];
};

export type FoundTurn = { turn: TurnNode /** Messages up to and with its answer. */; messageCount: number };

export class SegmentStore {
  readonly roots: PromptNode[] = [];
  readonly turns: TurnNode[] = [];

  addPrompt(prompt: Omit<PromptNode, "turns">): PromptNode {
    const added = { ...prompt, turns: [] };
    (prompt.after?.prompts ?? this.roots).push(added);
    return added;
  }

  addTurn(turn: Omit<TurnNode, "order" | "prompts">): TurnNode {
    const added = { ...turn, order: this.turns.length, prompts: [] };
    turn.prompt.turns.push(added);
    this.turns.push(added);
    return added;
  }

  /** The turn with the longest history that the conversation starts with; among equals the newest. */
  findTurn(
    conversation: readonly ChatMessage[],
    { ignoreSystem = false }: { ignoreSystem?: boolean } = {},
  ): FoundTurn | null {
    let found: FoundTurn | null = null;
    const visit = (prompt: PromptNode, at: number) => {
      const skipped =
        ignoreSystem && at === 0 && hasSystem(prompt.messages) && hasSystem(conversation) ? 1 : 0;
      if (prompt.messages === null) return;
      if (!hasMessagesAt(conversation, prompt.messages.slice(skipped), at + skipped)) return;
      const answerAt = at + prompt.messages.length;
      for (const turn of prompt.turns) {
        if (!hasMessagesAt(conversation, [turn.message], answerAt)) continue;
        const messageCount = answerAt + 1;
        const isLonger = messageCount > (found?.messageCount ?? 0);
        if (isLonger || (messageCount === found?.messageCount && turn.order > found.turn.order)) {
          found = { turn, messageCount };
        }
        for (const next of turn.prompts) visit(next, messageCount);
      }
    };
    for (const root of this.roots) visit(root, 0);
    return found;
  }

  /** The prompt that the very same request made before: a retry, or a further sample, shares it. */
  findPrompt(
    conversation: readonly ChatMessage[],
    found: FoundTurn | null,
    settings: string,
  ): PromptNode | null {
    const isSame = (prompt: PromptNode, at: number) =>
      prompt.settings === settings &&
      prompt.messages !== null &&
      prompt.messages.length === conversation.length - at &&
      hasMessagesAt(conversation, prompt.messages, at);
    return (
      this.roots.findLast((prompt) => isSame(prompt, 0)) ??
      found?.turn.prompts.findLast((prompt) => isSame(prompt, found.messageCount)) ??
      null
    );
  }

  /** The segment's turns up to this one, first to last. */
  pathTo(turn: TurnNode): TurnNode[] {
    const path: TurnNode[] = [];
    for (let at: TurnNode | null = turn; at !== null; at = at.prompt.after) path.push(at);
    return path.reverse();
  }

  /** The conversation up to and with the turn's answer, as the segment holds it. */
  messagesTo(turn: TurnNode): ChatMessage[] {
    return this.pathTo(turn).flatMap(({ prompt, message }) => [...(prompt.messages ?? []), message]);
  }

  /** Ids of the whole prompt: the segment's so far, verbatim, and its own. */
  idsOf(prompt: PromptNode): number[] {
    const turns = prompt.after === null ? [] : this.pathTo(prompt.after);
    const parts = turns.flatMap((turn) => [turn.prompt.ids, turn.ids]);
    // concat copies memory; pushing one by one took longer than the rest of a turn at 70,000 ids.
    const none: number[] = [];
    return none.concat(...parts, prompt.ids);
  }

  /** Turns that none follows, in the order of their commits: each ends a segment. */
  leaves(): TurnNode[] {
    return this.turns.filter((turn) => turn.prompts.every((prompt) => prompt.turns.length === 0));
  }
}

function hasSystem(messages: readonly ChatMessage[] | null): boolean {
  return messages?.[0]?.role === "system";
}
