/** What the practice model thinks before it acts: short, about the task, and the same for the same seed. */
import type { ChatMessage } from "../contracts/chat.ts";
import { seededRandom } from "./seeded-random.ts";
import type { TeacherTurn } from "./teacher.ts";

const openings = [
  "Okay, let me see.",
  "Let me think this through.",
  "Right – one step at a time.",
  "好, let me look.",
];

/** Null when this turn goes without thinking; `rate` is the share of turns that think. */
export function thoughtsOf({
  messages,
  turn,
  seed,
  rate,
}: {
  messages: readonly ChatMessage[];
  turn: TeacherTurn;
  seed: number;
  rate: number;
}): string | null {
  const random = seededRandom(seed ^ Math.imul(messages.length, 0x2545f491));
  if (random() >= rate) return null;
  const opening = openings[Math.floor(random() * openings.length)] ?? "";
  const last = messages.at(-1);
  const numbers = last?.content?.match(/\d+(?:\.\d+)?/g)?.slice(0, 6) ?? [];
  const seen = last?.role === "tool" ? "The tool says" : "The numbers are";
  const observed = numbers.length > 0 ? ` ${seen} ${numbers.join(" → ")}.` : "";
  const [call] = turn.calls;
  return `${opening}${observed}\n${call ? `I'll use ${call.name} for this.` : "Now I can answer."}`;
}
