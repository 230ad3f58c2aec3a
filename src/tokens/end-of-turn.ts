/**
 * The ids with which a model ends its turn: the tokenizer's EOS, what the chat template writes after an answer, and
 * those of the model's generation_config.json, at which not every server stops by itself or says that it did.
 */
import type { ChatFormat } from "./chat-format.ts";

const probe = "lachesisProbe";

/** Without duplicates; empty for a tokenizer without EOS and a template that writes no end. */
export function endOfTurnIds({ tokenizer, control, prompts, endOfTurnIds: listed }: ChatFormat): number[] {
  const written = control.findEnd(afterProbe(prompts));
  const ids = [tokenizer.eosId, written === null ? null : control.idOf(written.text), ...listed];
  return [...new Set(ids.filter((id) => id !== null && id !== undefined))];
}

function afterProbe(prompts: ChatFormat["prompts"]): string {
  try {
    const text = prompts.renderClosed({
      messages: [
        { role: "user", content: "x" },
        { role: "assistant", content: probe },
      ],
    });
    const at = text.indexOf(probe);
    return at === -1 ? "" : text.slice(at + probe.length);
  } catch {
    // A template that wants more than two messages: EOS has to do.
    return "";
  }
}
