/**
 * Parameters between tags, as the XML-like formats write them: `<parameter=KEY>VALUE</parameter>` and its kin. The
 * readers find what vLLM's regular expressions find, but in linear time.
 */
import type { PythonDict, PythonValue } from "../../src/contracts/python-json.ts";
import type { ArgumentsContext, ReadArguments } from "./engine-grammar.ts";

export type ParameterGrammar = {
  /** Finds where an opening tag begins; global. */
  opening: RegExp;
  /** Reads the rest of an opening tag from `at`: the key and where the value begins. */
  key: (raw: string, at: number) => OpenedParameter | "no tag" | "no more tags";
  /** Finds a closing tag, or an opening tag that ends the value before it; global. */
  ending: RegExp;
  /** Whether what `ending` found opens the next parameter. */
  opens: (found: string) => boolean;
  value?: (text: string, opened: OpenedParameter) => PythonValue;
  /** The closing tag, for messages. */
  closing: string;
  skipsEmptyKeys?: boolean;
};

export type OpenedParameter = { key: string; end: number; isJson?: boolean };

/** Later values of one key win, in the place of the first. */
export function readParameters(
  raw: string,
  grammar: ParameterGrammar,
  { strict, closed }: ArgumentsContext,
): ReadArguments {
  const { opening, ending, value = (text) => text } = grammar;
  const values: PythonDict = new Map();
  let position = 0;
  for (;;) {
    opening.lastIndex = position;
    const start = opening.exec(raw);
    if (start === null) return { values };
    const opened = grammar.key(raw, opening.lastIndex);
    if (opened === "no more tags") {
      return strict ? { values, problem: `the tag ${start[0].trim()} has no end.` } : { values };
    }
    if (opened === "no tag") {
      position = start.index + 1;
      continue;
    }
    ending.lastIndex = opened.end;
    const ended = ending.exec(raw);
    if (ended === null) {
      if (!strict) return { values };
      if (!closed) return { values, problem: `the parameter "${opened.key}" has no ${grammar.closing}.` };
      values.set(opened.key, value(raw.slice(opened.end), opened));
      return { values };
    }
    if (opened.key !== "" || !grammar.skipsEmptyKeys) {
      values.set(opened.key, value(raw.slice(opened.end, ended.index), opened));
    }
    position = grammar.opens(ended[0]) ? ended.index : ending.lastIndex;
  }
}
