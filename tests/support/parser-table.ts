/** Tables of texts and what a parser must make of them. */
import { describe, expect, test } from "vitest";
import type { DefinedParser } from "../../parsers/shared/define-parser.ts";
import type { ParseContext } from "../../src/contracts/tool-call-parser.ts";

type Call = readonly [name: string, args: string];
export type ParserRow = readonly [
  title: string,
  text: string,
  /** "raw": the whole text is content and there are no calls. */
  content: string | null | { raw: true },
  calls?: readonly Call[],
];

export const raw = { raw: true } as const;

export function describeRows(
  title: string,
  parser: DefinedParser,
  rows: readonly ParserRow[],
  context: ParseContext = {},
): void {
  describe(title, () => {
    test.each(rows.map((row) => ({ title: row[0], row })))(
      "$title",
      ({ row: [, text, content, calls = []] }) => {
        const parsed = parser.parse(text, context);
        expect({
          content: parsed.content,
          calls: parsed.toolCalls.map((call) => [call.name, call.arguments]),
        }).toEqual({ content: typeof content === "object" && content !== null ? text : content, calls });
      },
    );
  });
}
