/** Writes down how an answer was read, for people who wonder about a verdict. */
import { type Expression, partsOf } from "./expression.ts";

const infix: Record<string, string> = { add: " + ", multiply: "*", divide: "/", power: "^", mod: " mod " };

export function writeExpression(expression: Expression): string {
  const parts = partsOf(expression).map(writeExpression);
  switch (expression.kind) {
    case "number": {
      const { numerator, denominator } = expression.value;
      return denominator === 1n
        ? `${numerator}`
        : expression.isDecimal
          ? `${Number(numerator) / Number(denominator)}`
          : `${numerator}/${denominator}`;
    }
    case "symbol":
    case "constant":
      return expression.name;
    case "text":
      return expression.text;
    case "call": {
      if (expression.name === "negate") return `-${parts[0]}`;
      if (expression.name === "percent") return `${parts[0]}%`;
      if (expression.name === "factorial") return `${parts[0]}!`;
      const operator = infix[expression.name];
      return operator === undefined ? `${expression.name}(${parts.join(", ")})` : `(${parts.join(operator)})`;
    }
    case "application":
      return `${expression.name}(${parts.join(", ")})`;
    case "list":
      return parts.join(", ");
    case "set":
      return `{${parts.join(", ")}}`;
    case "bracketed":
      return `${expression.open}${parts.join(", ")}${expression.close}`;
    case "ratio":
      return parts.join(":");
    case "matrix":
      return `[${expression.rows.map((row) => `[${row.map(writeExpression).join(", ")}]`).join(", ")}]`;
    case "set-operation":
      return `${parts[0]} ${expression.operator} ${parts[1]}`;
    case "relation":
      return parts
        .map((part, index) => (index === 0 ? part : `${expression.operators[index - 1]} ${part}`))
        .join(" ");
  }
}
