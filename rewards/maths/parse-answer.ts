/**
 * Reads a whole answer: lists joined by commas, semicolons, "and" and "or"; relations and chains of them;
 * sets and ratios. Units and words beside the maths are dropped.
 */
import { type Expression, type RelationOperator, type SetOperator, UnreadableMaths } from "./expression.ts";
import { normalizeMaths } from "./normalize.ts";
import { parseArgument } from "./parse-primary.ts";
import { parsePower, parseSum } from "./parse-term.ts";
import { TokenReader } from "./token-reader.ts";
import { maxMathsLength, type Token, tokenize } from "./tokenize.ts";
import { stripUnits } from "./units.ts";

/** Throws `UnreadableMaths` for what isn't one answer from beginning to end. */
export function parseAnswer(text: string): Expression {
  if (text.length > 2 * maxMathsLength) throw new UnreadableMaths(`longer than ${maxMathsLength} characters`);
  const maths = stripUnits(normalizeMaths(text))
    .replace(/^[\s=]+/, "")
    .trim();
  const tokens = dropWords(tokenize(maths));
  if (tokens.length === 0) throw new UnreadableMaths("nothing to read");
  const reader = new TokenReader(tokens, {
    relation: parseRelation,
    sum: parseSum,
    power: parsePower,
    argument: parseArgument,
  });
  const groups = [parseCommaList(reader)];
  const joints = new Set<string>();
  for (;;) {
    const connector = takeConnector(reader);
    if (connector === null) break;
    joints.add(connector);
    if (!reader.isAtEnd) groups.push(parseCommaList(reader));
  }
  if (!reader.isAtEnd) reader.refuse("expected the end of the answer");
  const joined = joinGroups(groups);
  const [joint, another] = joints;
  const isWord = (joint === "and" || joint === "or") && another === undefined;
  return isWord && joined.kind === "list" && joined.items.length === groups.length
    ? { ...joined, joint }
    : joined;
}

/** `p=5,q=2; p=7,q=2` are two pairs; `19, 46 and 82` are three numbers. */
function joinGroups(groups: readonly (readonly Expression[])[]): Expression {
  const [first = [], ...others] = groups;
  const items = groups.flat();
  const [only] = items;
  if (only !== undefined && items.length === 1) return only;
  if (others.length > 0 && first.length > 1 && others.every((group) => group.length === first.length)) {
    return {
      kind: "list",
      items: groups.map((group) => ({ kind: "bracketed", open: "(", close: ")", items: group })),
    };
  }
  return { kind: "list", items };
}

function parseCommaList(reader: TokenReader): Expression[] {
  const items = [parseRelation(reader)];
  while (reader.takeSign(",")) {
    if (reader.isAtEnd || isConnector(reader)) break;
    items.push(parseRelation(reader));
  }
  return items;
}

function isConnector(reader: TokenReader): boolean {
  return (
    reader.is("name", "and", "or") ||
    reader.isSign(";") ||
    (reader.is("text") && joiningText.test(reader.token.text))
  );
}

/** The joining word, or "" for a mere sign; null where nothing joins. */
function takeConnector(reader: TokenReader): string | null {
  let found: string | null = null;
  while (isConnector(reader)) {
    const word = /and|or/i.exec(reader.next().text)?.[0].toLowerCase();
    found = word ?? found ?? "";
  }
  return found;
}

const joiningText = /^[\s,;]*(?:and|or|,|;)[\s,;]*$/i;

/** Words beside maths (`\text{ cm}^2`) are no part of it; an answer that is nothing but words stays. */
function dropWords(tokens: readonly Token[]): Token[] {
  const isWords = (token: Token | undefined) => token?.kind === "text" && !joiningText.test(token.text);
  const hasMaths = tokens.some(
    (token) =>
      token.kind === "number" ||
      token.kind === "name" ||
      token.kind === "command" ||
      token.kind === "environment",
  );
  if (!hasMaths || !tokens.some(isWords)) return trimPunctuation(tokens);
  const kept: Token[] = [];
  for (let index = 0; index < tokens.length; index++) {
    const token = tokens[index];
    if (token === undefined) continue;
    const previous = tokens[index - 1];
    const next = tokens[index + 1];
    if (!isWords(token)) kept.push(token);
    else if (isOperand(previous, next)) kept.push(token);
    else if (next?.text === "^") index += 2;
    else if (/^\s*(?:percent|percentage|pct|%)\s*$/i.test(token.text))
      kept.push({ kind: "sign", text: "%", spaced: false });
  }
  return trimPunctuation(kept);
}

/** Words in the place of a name: `\text{Area} = 5`, `x = \text{odd}`, `\{\text{a}, \text{b}\}`. */
function isOperand(previous: Token | undefined, next: Token | undefined): boolean {
  const opens =
    previous === undefined ||
    /^(?:[=<>+\-*/,;({[|]|\\\{|<=|>=)$/.test(previous.text) ||
    previous.text === "in" ||
    previous.text === "and";
  const closes =
    next === undefined ||
    /^(?:[=<>+\-*/,;)}\]|]|\\\}|<=|>=)$/.test(next.text) ||
    next.text === "in" ||
    next.text === "and";
  return opens && closes;
}

function trimPunctuation(tokens: readonly Token[]): Token[] {
  let end = tokens.length;
  while (end > 0 && tokens[end - 1]?.kind === "sign" && /^[.,;:?]$/.test(tokens[end - 1]?.text ?? "")) end--;
  return tokens.slice(0, end);
}

const relationSigns: Record<string, RelationOperator> = {
  "=": "=",
  "==": "=",
  ":=": "=",
  "<": "<",
  ">": ">",
  "<=": "≤",
  ">=": "≥",
  "=>": "→",
  "!=": "≠",
  "<>": "≠",
  "->": "→",
  le: "≤",
  ge: "≥",
  ne: "≠",
  approx: "≈",
  in: "∈",
  notin: "∉",
  equiv: "≡",
  to: "→",
  rightarrow: "→",
  ll: "<",
  gg: ">",
  doteq: "≈",
  Rightarrow: "→",
  implies: "→",
  subset: "∈",
  subseteq: "∈",
};

export function parseRelation(reader: TokenReader): Expression {
  return reader.nested(() => {
    const operands = [parseSet(reader)];
    const operators: RelationOperator[] = [];
    while (!reader.isAtEnd && (reader.token.kind === "sign" || reader.token.kind === "command")) {
      const operator = Object.hasOwn(relationSigns, reader.token.text)
        ? relationSigns[reader.token.text]
        : undefined;
      if (operator === undefined) break;
      reader.next();
      operators.push(operator);
      operands.push(parseSet(reader));
    }
    skipModulus(reader);
    const [only] = operands;
    return only !== undefined && operators.length === 0 ? only : { kind: "relation", operands, operators };
  });
}

function skipModulus(reader: TokenReader): void {
  if (!reader.takeCommand("pmod")) return;
  reader.takeGroup();
}

const setOperators: Record<string, SetOperator> = {
  cup: "union",
  cap: "intersection",
  setminus: "difference",
};

function parseSet(reader: TokenReader): Expression {
  let left = parseRatio(reader);
  for (;;) {
    const name = reader.is("command") || reader.is("name") ? reader.token.text : "";
    const operator = Object.hasOwn(setOperators, name) ? setOperators[name] : undefined;
    if (operator === undefined) return left;
    reader.next();
    left = { kind: "set-operation", operator, left, right: parseRatio(reader) };
  }
}

function parseRatio(reader: TokenReader): Expression {
  const items = [parseSum(reader)];
  while (reader.openBars === 0 && reader.takeSign(":")) items.push(parseSum(reader));
  const [only] = items;
  return only !== undefined && items.length === 1 ? only : { kind: "ratio", items };
}
