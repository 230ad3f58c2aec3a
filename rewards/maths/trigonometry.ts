/** The trigonometric and hyperbolic functions and their inverses, by mathjs. */
import type { BigNumber, Complex, MathJsInstance } from "mathjs";
import { UnreadableMaths } from "./expression.ts";

export function trigonometric(math: MathJsInstance, name: string, value: BigNumber | Complex): unknown {
  switch (name) {
    case "sin":
      return math.sin(value);
    case "cos":
      return math.cos(value);
    case "tan":
      return math.tan(value);
    case "cot":
      return math.cot(value);
    case "sec":
      return math.sec(value);
    case "csc":
      return math.csc(value);
    case "asin":
      return math.asin(value);
    case "acos":
      return math.acos(value);
    case "atan":
      return math.atan(value);
    case "acot":
      return math.acot(value);
    case "asec":
      return math.asec(value);
    case "acsc":
      return math.acsc(value);
    case "asinh":
      return math.asinh(value);
    case "acosh":
      return math.acosh(value);
    case "atanh":
      return math.atanh(value);
    case "sinh":
      return math.sinh(value);
    case "cosh":
      return math.cosh(value);
    case "tanh":
      return math.tanh(value);
    case "coth":
      return math.coth(value);
    case "sech":
      return math.sech(value);
    case "csch":
      return math.csch(value);
    default:
      throw new UnreadableMaths(`${name} has no value`);
  }
}
