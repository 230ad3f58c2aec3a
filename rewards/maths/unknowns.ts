/** What has no value of its own in an expression: variables, functions nobody knows, sums without an end. */
import { canonicalKey } from "./canonical-key.ts";
import { type Expression, isCall, partsOf } from "./expression.ts";

/** Whether an expression holds something whose value nobody knows. */
export function hasUnknown(expression: Expression): boolean {
  if (expression.kind === "symbol" || expression.kind === "application" || expression.kind === "text")
    return true;
  if (expression.kind === "call" && ["sum", "prod", "int", "lim"].includes(expression.name)) {
    const [variable, ...parts] = expression.args;
    const body = parts.pop();
    return parts.some(hasUnknown) || body === undefined || hasUnknownBesides(variable, body);
  }
  if (expression.kind === "call" && ["derive", "det"].includes(expression.name)) return true;
  return partsOf(expression).some(hasUnknown);
}

function hasUnknownBesides(variable: Expression | undefined, body: Expression): boolean {
  return symbolsOf(body).some((name) => variable?.kind !== "symbol" || name !== variable.name);
}

/** The variables that say how far a sum or a product goes: they stand for whole numbers. */
export function countedSymbols(expression: Expression): string[] {
  const [, lower, upper] = isCall(expression, "sum") || isCall(expression, "prod") ? expression.args : [];
  const own = [lower, upper].flatMap((border) => (border === undefined ? [] : symbolsOf(border)));
  return [...own, ...partsOf(expression).flatMap(countedSymbols)];
}

export function symbolsOf(expression: Expression): string[] {
  if (expression.kind === "symbol") return [expression.name];
  if (expression.kind === "application") return [canonicalKey(expression)];
  return partsOf(expression).flatMap(symbolsOf);
}
