/** Python's operators on template values. */
import { percentFormat } from "./python-text.ts";
import { typeError } from "./template-error.ts";
import {
  asIndex,
  asNumber,
  compare,
  isEqual,
  iterate,
  type JinjaValue,
  JsonArguments,
  Tuple,
  toText,
  typeName,
} from "./values.ts";

export type BinaryOperator = (left: JinjaValue, right: JinjaValue) => JinjaValue;

/** Those that look at both sides; `and` and `or` don't. */
export const binaryOperators: ReadonlyMap<string, BinaryOperator> = new Map<string, BinaryOperator>([
  ["+", add],
  [
    "-",
    (left, right) =>
      arithmetic(
        "-",
        left,
        right,
        (a, b) => a - b,
        (a, b) => a - b,
      ),
  ],
  ["*", multiply],
  ["/", (left, right) => arithmetic("/", left, right, null, divide)],
  ["//", (left, right) => arithmetic("//", left, right, floorDivide, (a, b) => Math.floor(divide(a, b)))],
  ["%", modulo],
  [
    "**",
    (left, right) =>
      arithmetic(
        "**",
        left,
        right,
        (a, b) => (b < 0n ? Number(a) ** Number(b) : a ** b),
        (a, b) => a ** b,
      ),
  ],
  ["~", (left, right) => toText(left) + toText(right)],
  ["==", isEqual],
  ["!=", (left, right) => !isEqual(left, right)],
  ["<", (left, right) => compare(left, right) < 0],
  [">", (left, right) => compare(left, right) > 0],
  ["<=", (left, right) => compare(left, right) <= 0],
  [">=", (left, right) => compare(left, right) >= 0],
  ["in", contains],
  ["not in", (left, right) => !contains(left, right)],
]);

function add(left: JinjaValue, right: JinjaValue): JinjaValue {
  if (typeof left === "string") {
    if (typeof right === "string") return left + right;
    if (right instanceof JsonArguments) return left + right.text;
    throw typeError(`can only concatenate str (not "${typeName(right)}") to str`);
  }
  if (left instanceof JsonArguments && typeof right === "string") return left.text + right;
  if (Array.isArray(left) && Array.isArray(right)) return [...left, ...right];
  if (left instanceof Tuple && right instanceof Tuple) return new Tuple([...left.items, ...right.items]);
  return arithmetic(
    "+",
    left,
    right,
    (a, b) => a + b,
    (a, b) => a + b,
  );
}

function multiply(left: JinjaValue, right: JinjaValue): JinjaValue {
  const [value, times] = asNumber(left) === null ? [left, right] : [right, left];
  if (typeof value === "string") return value.repeat(Math.max(0, asIndex(times, "repeat count")));
  if (Array.isArray(value)) {
    return Array.from({ length: Math.max(0, asIndex(times, "repeat count")) }, () => value).flat();
  }
  return arithmetic(
    "*",
    left,
    right,
    (a, b) => a * b,
    (a, b) => a * b,
  );
}

function modulo(left: JinjaValue, right: JinjaValue): JinjaValue {
  if (typeof left === "string") return percentFormat(left, right instanceof Tuple ? right.items : [right]);
  return arithmetic(
    "%",
    left,
    right,
    (a, b) => a - floorDivide(a, b) * b,
    (a, b) => a - Math.floor(divide(a, b)) * b,
  );
}

function floorDivide(left: bigint, right: bigint): bigint {
  if (right === 0n) throw typeError("integer division or modulo by zero");
  const quotient = left / right;
  return left % right !== 0n && left < 0n !== right < 0n ? quotient - 1n : quotient;
}

function divide(left: number, right: number): number {
  if (right === 0) throw typeError("division by zero");
  return left / right;
}

/** Two ints give an int where `onInts` is there; everything else is reckoned in floats. */
function arithmetic(
  symbol: string,
  left: JinjaValue,
  right: JinjaValue,
  onInts: ((left: bigint, right: bigint) => bigint | number) | null,
  onFloats: (left: number, right: number) => number,
): bigint | number {
  const [a, b] = [asNumber(left), asNumber(right)];
  if (a === null || b === null) {
    throw typeError(
      `unsupported operand type(s) for ${symbol}: '${typeName(left)}' and '${typeName(right)}'`,
    );
  }
  if (onInts !== null && typeof a === "bigint" && typeof b === "bigint") return onInts(a, b);
  return onFloats(Number(a), Number(b));
}

export function contains(item: JinjaValue, container: JinjaValue): boolean {
  if (typeof container === "string") {
    if (typeof item === "string") return container.includes(item);
    throw typeError(`'in <string>' requires string as left operand, not ${typeName(item)}`);
  }
  if (container instanceof Map) return container.has(item);
  return iterate(container).some((each) => isEqual(each, item));
}

export function negate(value: JinjaValue): JinjaValue {
  const number = asNumber(value);
  if (number === null) throw typeError(`bad operand type for unary -: '${typeName(value)}'`);
  return -number;
}
