/** Brackets, braces and matrices. One item in brackets is a group; several are a point, an interval or a set. */
import { call, type Expression } from "./expression.ts";
import type { TokenReader } from "./token-reader.ts";

/** `(…)`, `[…)`, `\langle …\rangle`. */
export function parseBracketed(reader: TokenReader, isAngle = false): Expression {
  return reader.nested(() => {
    const open = isAngle ? "(" : reader.next().text === "[" ? "[" : "(";
    const bars = reader.openBars;
    reader.openBars = 0;
    const items = parseItems(reader);
    reader.openBars = bars;
    if (isAngle) {
      if (!reader.takeCommand("rangle")) reader.refuse("expected \\rangle");
      return { kind: "bracketed", open: "(", close: ")", items };
    }
    const close = reader.isSign("]") ? "]" : ")";
    reader.expectSign(")", "]");
    const [only, ...others] = items;
    if (only !== undefined && others.length === 0 && (open === "(") === (close === ")")) return only;
    return { kind: "bracketed", open, close, items };
  });
}

/** `\{1, 2\}` and, with several items, `{1, 2}`; `\{x \mid x > 0\}` is its condition. */
export function parseSetBraces(reader: TokenReader): Expression {
  return reader.nested(() => {
    const isSet = reader.next().text === "\\{";
    const bars = reader.openBars;
    reader.openBars = 1;
    const items = reader.isSign("}", "\\}") ? [] : parseItems(reader);
    if (isSet && (reader.takeSign("|") || reader.takeSign(":"))) {
      const conditions = parseItems(reader);
      reader.openBars = bars;
      reader.expectSign("\\}", "}");
      const [condition] = conditions;
      if (condition?.kind === "relation" && conditions.length === 1) return condition;
      return { kind: "application", name: "setof", args: [...items, ...conditions] };
    }
    reader.openBars = bars;
    reader.expectSign("}", "\\}");
    const [only, ...others] = items;
    if (!isSet && only !== undefined && others.length === 0) return only;
    if (!isSet && items.length === 0) reader.refuse("empty braces");
    return { kind: "set", items };
  });
}

function parseItems(reader: TokenReader): Expression[] {
  const items = [reader.grammar.relation(reader)];
  while (reader.takeSign(",", ";") || isConnector(reader)) items.push(reader.grammar.relation(reader));
  return items;
}

function isConnector(reader: TokenReader): boolean {
  if (
    !reader.is("name", "and", "or") &&
    !(reader.is("text") && /^\s*(?:and|or)\s*$/i.test(reader.token.text))
  )
    return false;
  reader.next();
  return true;
}

export function parseMatrix(reader: TokenReader): Expression {
  return reader.nested(() => {
    const name = reader
      .next()
      .text.replace(/^begin /, "")
      .replace(/\*$/, "");
    if (/^(?:array|tabular)$/.test(name) && reader.isSign("{")) reader.takeGroup();
    const rows: Expression[][] = [];
    let row: Expression[] = [];
    while (!reader.is("environment")) {
      if (reader.takeSign("\\\\")) {
        if (row.length > 0) rows.push(row);
        row = [];
      } else if (!reader.takeSign("&")) row.push(reader.grammar.relation(reader));
      if (reader.isAtEnd) reader.refuse(`expected the end of ${name}`);
    }
    if (!reader.next().text.startsWith("end ")) reader.refuse("expected the environment's end");
    if (row.length > 0) rows.push(row);
    if (/^(?:align|aligned|gather|gathered|equation|split|cases)$/.test(name))
      return { kind: "list", items: rows.flat() };
    const matrix: Expression = { kind: "matrix", rows };
    return /^[vV]matrix$/.test(name) ? call("det", matrix) : matrix;
  });
}
