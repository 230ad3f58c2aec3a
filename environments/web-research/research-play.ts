/** How somebody plays a research question who knows its answer: search, read, answer with the pages that were read. */
import { z } from "zod";
import { seenUrls } from "../../rewards/library/web-sources.ts";
import type { ChatMessage } from "../../src/contracts/chat.ts";
import type { PolicyTurn } from "../../src/env/policies.ts";

export const researchRow = z.looseObject({
  question: z.string().min(1),
  answer: z.union([z.string(), z.number()]).transform(String),
  /** Pages that the answer rests on; without them the first hits are taken. */
  sources: z.array(z.string()).optional(),
});

export type ResearchRow = z.output<typeof researchRow>;

const mostPages = 4;

/** `turn` counts from 0. */
export function researchTurn(
  { question, sources }: ResearchRow,
  given: string,
  { turn, messages }: { turn: number; messages: readonly ChatMessage[] },
): PolicyTurn {
  const search = { name: "web_search", arguments: { query: question } };
  if (turn === 0) return { content: "Let me look that up.", calls: [search] };
  const found = () =>
    [...seenUrls({ messages, stop: "finished", turnsUsed: turn })].map((url) => `http://${url}`);
  const read = (sources ?? found()).slice(0, mostPages);
  if (turn === 1 && read.length > 0)
    return { content: null, calls: [{ name: "web_extract", arguments: { urls: read } }] };
  const list = read.map((url) => `- ${url}`).join("\n");
  return { content: `It follows from these pages:\n${list}\n\nAnswer: ${given}` };
}
