/** The stream of formats in which a text is calls only if it begins as one: any other beginning makes it all content. */
import type { ParsedCompletion, ToolCallStream } from "../../src/contracts/tool-call-parser.ts";

export function plainTextStream(
  parse: (text: string) => ParsedCompletion,
  openings: readonly string[],
): ToolCallStream {
  const pieces: string[] = [];
  let beginning: string | undefined = "";
  let isPlain = false;
  const take = (text: string): string => {
    if (beginning === undefined) return isPlain ? text : "";
    const seen = beginning + text;
    beginning = seen;
    if (openings.some((opening) => seen.startsWith(opening))) beginning = undefined;
    else if (!openings.some((opening) => opening.startsWith(seen))) {
      beginning = undefined;
      isPlain = true;
      return seen;
    }
    return "";
  };
  return {
    push(text) {
      pieces.push(text);
      return { content: take(text), reasoning: "", toolCalls: [] };
    },
    end: () => parse(pieces.join("")),
  };
}
