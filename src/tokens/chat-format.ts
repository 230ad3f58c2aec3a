/**
 * How one model writes conversations: its tokenizer and chat template, with what was learned of them. Shared by
 * all rollouts of the model, so that what one of them encoded the others need not.
 */
import { ControlTokens } from "./control-tokens.ts";
import { PromptEncoder } from "./prompt-encoder.ts";
import { type ChatRenderer, PromptRenderer, type TemplateSettings } from "./prompt-renderer.ts";
import type { Tokenizer } from "./tokenizer.ts";
import { type AnswerTraits, TurnRenderer } from "./turn-renderer.ts";

export type ChatFormatOptions = {
  tokenizer: Tokenizer;
  /** A ChatTemplate. */
  template: ChatRenderer;
  /** Ids besides the tokenizer's EOS that end a turn: `eos_token_id` of the model's generation_config.json. */
  endOfTurnIds?: readonly number[];
};

/**
 * What to do when a template would write history differently than the model saw it: "template" starts a new
 * segment that reads as the template says, "keep" goes on with what the model saw.
 */
export type TokenHistory = "template" | "keep";

export class ChatFormat {
  readonly tokenizer: Tokenizer;
  readonly endOfTurnIds: readonly number[];
  readonly control: ControlTokens;
  readonly encoder: PromptEncoder;
  readonly prompts: PromptRenderer;
  readonly turns: TurnRenderer;

  constructor({ tokenizer, template, endOfTurnIds = [] }: ChatFormatOptions) {
    this.tokenizer = tokenizer;
    this.endOfTurnIds = endOfTurnIds.filter((id) => id < tokenizer.vocabularySize);
    this.control = new ControlTokens(tokenizer, { endOfTurnIds });
    this.encoder = new PromptEncoder(tokenizer, this.control);
    this.prompts = new PromptRenderer(template, this.control);
    this.turns = new TurnRenderer(this.prompts, this.control);
  }

  /** Ids of a text that no template wrote: with the BOS that the tokenizer puts before a text, exactly once. */
  withBos(ids: readonly number[]): number[] {
    const { bosId } = this.tokenizer;
    const [first] = this.tokenizer.encode("", { addSpecialTokens: true });
    return bosId === null || first !== bosId || ids[0] === bosId ? [...ids] : [bosId, ...ids];
  }

  /**
   * The default for conversations whose answers hold such things: "keep" for a template that rewrites history
   * whenever a tool's result comes, since then each turn would be a segment of its own and a rollout's cost grow
   * with the square of its turns; "template" for all others.
   */
  defaultHistory(traits: AnswerTraits, settings: TemplateSettings): TokenHistory {
    const id = "lachesis9";
    const call = { id, type: "function" as const, function: { name: "x", arguments: '{"x": "x"}' } };
    const window = { system: null, afterTool: true, earlier: traits };
    const delta = this.turns.renderWindow(window, {
      ...settings,
      answer: {
        role: "assistant",
        content: `${traits.thought === "inline" ? "<think>\nx\n</think>\n\n" : ""}${traits.besideCalls.includes("words") ? "x" : ""}`,
        ...(traits.thought === "apart" && { reasoning_content: "x" }),
        tool_calls: [call],
      },
      next: [{ role: "tool", tool_call_id: id, content: "x" }],
    });
    return delta === null || delta.keepsHistory ? "template" : "keep";
  }
}
