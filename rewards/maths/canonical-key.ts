/** A spelling of an expression that doesn't depend on the order of sums, products and sets. */
import { type Expression, isCall, mapParts, partsOf, symbol } from "./expression.ts";

export function canonicalKey(expression: Expression): string {
  switch (expression.kind) {
    case "number":
      return `${expression.value.numerator}/${expression.value.denominator}`;
    case "symbol":
    case "constant":
      return expression.name;
    case "text":
      return `"${expression.text.trim().toLowerCase()}"`;
    case "call": {
      if (expression.name === "add" || expression.name === "multiply") {
        return `${expression.name}(${flatten(expression, expression.name).map(canonicalKey).sort().join(",")})`;
      }
      return canonicalCall(expression);
    }
    case "application":
      return `${expression.name.toLowerCase()}[${expression.args.map(canonicalKey).join(",")}]`;
    case "set":
    case "list":
      return `{${expression.items.map(canonicalKey).sort().join(",")}}`;
    case "bracketed":
      return `${expression.open}${expression.items.map(canonicalKey).join(",")}${expression.close}`;
    case "relation":
      return expression.operands
        .map(
          (operand, index) => `${index > 0 ? expression.operators[index - 1] : ""}${canonicalKey(operand)}`,
        )
        .join("");
    case "matrix":
      return `matrix(${expression.rows.map((row) => row.map(canonicalKey).join(",")).join(";")})`;
    case "set-operation":
      return `${expression.operator}(${canonicalKey(expression.left)},${canonicalKey(expression.right)})`;
    default:
      return `${expression.kind}(${partsOf(expression).map(canonicalKey).join(",")})`;
  }
}

/** The variable that a sum binds has no name of its own. */
function canonicalCall(expression: Extract<Expression, { kind: "call" }>): string {
  const [bound, ...rest] = expression.args;
  const binds = ["sum", "prod", "int", "lim"].includes(expression.name) && bound?.kind === "symbol";
  const args = binds ? rest.map((part) => rename(part, bound.name, "bound variable")) : expression.args;
  return `${expression.name}(${args.map(canonicalKey).join(",")})`;
}

export function rename(expression: Expression, from: string, to: string): Expression {
  if (expression.kind === "symbol") {
    if (expression.name === from) return symbol(to);
    const [name, subscript] = expression.name.split("_");
    if (subscript === undefined || from.length > 1) return expression;
    return symbol(`${name}_${subscript.replaceAll(from, to)}`);
  }
  return mapParts(expression, (part) => rename(part, from, to));
}

function flatten(expression: Expression, name: string): readonly Expression[] {
  return isCall(expression, name) ? expression.args.flatMap((part) => flatten(part, name)) : [expression];
}
