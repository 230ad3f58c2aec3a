/** What has no value of its own in an expression: variables, functions nobody knows, sums without an end. */
import { canonicalKey } from "./canonical-key.ts";
import { exactValue } from "./exact-value.ts";
import { type Expression, partsOf } from "./expression.ts";

/** Whether an expression holds something whose value nobody knows. */
export function hasUnknown(expression: Expression): boolean {
  if (expression.kind === "symbol" || expression.kind === "application" || expression.kind === "text")
    return true;
  if (expression.kind === "call" && ["sum", "prod"].includes(expression.name)) {
    const [, lower, upper] = expression.args;
    return (
      lower === undefined ||
      exactValue(lower) === null ||
      upper === undefined ||
      exactValue(upper) === null ||
      hasUnknownBesides(expression.args)
    );
  }
  if (expression.kind === "call" && ["int", "lim", "det"].includes(expression.name)) return true;
  return partsOf(expression).some(hasUnknown);
}

function hasUnknownBesides([variable, , , body]: readonly Expression[]): boolean {
  return (
    body === undefined ||
    symbolsOf(body).some((name) => variable?.kind !== "symbol" || name !== variable.name)
  );
}

export function symbolsOf(expression: Expression): string[] {
  if (expression.kind === "symbol") return [expression.name];
  if (expression.kind === "application") return [canonicalKey(expression)];
  return partsOf(expression).flatMap(symbolsOf);
}
