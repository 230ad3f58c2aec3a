/**
 * What a rollout's web tools really gave, and what of it the answer cites. Only addresses that stand in a successful
 * result count as seen: those of hits and of pages that were read, not whatever a page or an error mentions.
 */
import { z } from "zod";
import type { RewardRollout } from "../reward.ts";

export type ToolOutcome = { name: string; succeeded: boolean; result: unknown };

const failed = z.union([
  z.object({ success: z.literal(false) }),
  z.object({ error: z.union([z.string().min(1), z.looseObject({})]) }),
]);

/** Every call that was answered, in order. A result that says `error`, or `success: false`, is none. */
export function toolOutcomes({ messages }: RewardRollout): ToolOutcome[] {
  const names = new Map<string, string>();
  const outcomes: ToolOutcome[] = [];
  for (const message of messages) {
    if (message.role === "assistant") {
      for (const { id, function: call } of message.tool_calls ?? []) names.set(id, call.name);
    }
    if (message.role !== "tool") continue;
    const result = parse(message.content);
    const succeeded = result !== undefined && !failed.safeParse(result).success;
    outcomes.push({ name: names.get(message.tool_call_id) ?? "", succeeded, result });
  }
  return outcomes;
}

const hits = z.object({ data: z.object({ web: z.array(z.object({ url: z.string() })) }) });
const pages = z.object({
  results: z.array(z.looseObject({ url: z.string(), error: z.unknown().optional() })),
});

/** The addresses that searches found and pages that were read, as `comparableUrl` writes them. */
export function seenUrls(rollout: RewardRollout): Set<string> {
  const seen = new Set<string>();
  for (const { name, succeeded, result } of toolOutcomes(rollout)) {
    if (!succeeded) continue;
    const found = name === "web_search" ? (hits.safeParse(result).data?.data.web ?? []) : [];
    const answered = name === "web_extract" ? (pages.safeParse(result).data?.results ?? []) : [];
    const read = answered.filter(({ error }) => !error);
    for (const { url } of [...found, ...read]) {
      const comparable = comparableUrl(url);
      if (comparable !== null) seen.add(comparable);
    }
  }
  return seen;
}

/** The addresses that a text names. */
export function citedUrls(text: string): Set<string> {
  const written = text.match(/https?:\/\/[^\s<>"'`|\\^{}[\]]+/gi) ?? [];
  const urls = written.map((url) => comparableUrl(trimmed(url))).filter((url) => url !== null);
  return new Set(urls);
}

/** One text for one page: without scheme, fragment, `www.` and closing slash; null for what is no address. */
export function comparableUrl(url: string): string | null {
  if (!URL.canParse(url)) return null;
  const { host, pathname, search } = new URL(url);
  return `${host.replace(/^www\./, "")}${pathname.replace(/\/+$/, "")}${search}`;
}

/** The site of a comparable address. */
export const siteOf = (comparable: string): string => comparable.split(/[/?]/, 1)[0] ?? "";

/** Without the punctuation of the sentence around it; a closing bracket stays where the address has opened it. */
function trimmed(url: string): string {
  let end = url.length;
  let unopened = url.split(")").length - url.split("(").length;
  for (; end > 0; end -= 1) {
    const last = url[end - 1] ?? "";
    if (last === ")" && unopened > 0) unopened -= 1;
    else if (!".,;:!?*_".includes(last)) break;
  }
  return url.slice(0, end);
}

function parse(content: string): unknown {
  try {
    return JSON.parse(content);
  } catch {
    return undefined;
  }
}
