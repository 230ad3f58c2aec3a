/** Expressions of the syntax tree, compiled once to functions of the scope. */

import { findFilter, type JinjaFilter } from "./filters.ts";
import { getAttribute, getItem, slice } from "./lookup.ts";
import { binaryOperators, negate } from "./operators.ts";
import type { Scope } from "./scope.ts";
import { TemplateError, typeError } from "./template-error.ts";
import { tests } from "./tests.ts";
import { child, children, field, type Node, operatorOf, optionalChild, pairs, text } from "./tree.ts";
import {
  asNumber,
  type CallArguments,
  isTruthy,
  iterate,
  type JinjaValue,
  Tuple,
  toText,
  typeName,
} from "./values.ts";

export type Evaluate = (scope: Scope) => JinjaValue;

const constants: ReadonlyMap<string, JinjaValue> = new Map<string, JinjaValue>([
  ["true", true],
  ["True", true],
  ["false", false],
  ["False", false],
  ["none", null],
  ["None", null],
]);

export function compileExpression(node: Node): Evaluate {
  switch (node.type) {
    case "StringLiteral":
      return constant(text(node));
    case "IntegerLiteral":
      return constant(BigInt(String(field(node, "value"))));
    case "FloatLiteral":
      return constant(Number(field(node, "value")));
    case "ArrayLiteral":
      return compileItems(node);
    case "TupleLiteral": {
      const items = compileItems(node);
      return (scope) => new Tuple(items(scope));
    }
    case "ObjectLiteral":
      return compileDict(node);
    case "Identifier": {
      const name = text(node);
      return constants.has(name) ? constant(constants.get(name)) : (scope) => scope.get(name);
    }
    case "MemberExpression":
      return compileMember(node);
    case "CallExpression":
      return compileCall(node);
    case "UnaryExpression":
      return compileUnary(node);
    case "BinaryExpression":
      return compileBinary(node);
    case "FilterExpression": {
      const operand = compileExpression(child(node, "operand"));
      const apply = compileFilter(child(node, "filter"));
      return (scope) => apply(operand(scope), scope);
    }
    case "TestExpression":
      return compileTest(node);
    case "Ternary":
      return compileChoice(child(node, "condition"), child(node, "trueExpr"), child(node, "falseExpr"));
    case "SelectExpression":
      return compileChoice(child(node, "test"), child(node, "lhs"), null);
    default:
      throw new TemplateError("syntax", `${node.type} can't stand in an expression.`);
  }
}

function constant(value: JinjaValue): Evaluate {
  return () => value;
}

function compileItems(node: Node): (scope: Scope) => JinjaValue[] {
  const items = children(node, "value").map(compileExpression);
  return (scope) => items.map((item) => item(scope));
}

function compileDict(node: Node): Evaluate {
  const entries = pairs(node).map(([key, value]): [Evaluate, Evaluate] => [
    compileExpression(key),
    compileExpression(value),
  ]);
  return (scope) => new Map(entries.map(([key, value]) => [key(scope), value(scope)]));
}

/** Text for messages: what the template calls the thing. */
function nameOf(node: Node): string {
  if (node.type === "Identifier") return text(node);
  if (node.type !== "MemberExpression") return node.type;
  const object = nameOf(child(node, "object"));
  const property = child(node, "property");
  if (property.type === "Identifier" && field(node, "computed") !== true)
    return `${object}.${text(property)}`;
  return `${object}[${property.type === "StringLiteral" ? JSON.stringify(text(property)) : "..."}]`;
}

function compileMember(node: Node): Evaluate {
  const objectNode = child(node, "object");
  const object = compileExpression(objectNode);
  const property = child(node, "property");
  const what = () => nameOf(objectNode);
  if (property.type === "SliceExpression") {
    const bounds = ["start", "stop", "step"].map((name) => {
      const bound = optionalChild(property, name);
      return bound === null ? constant(undefined) : compileExpression(bound);
    });
    return (scope) =>
      slice(
        object(scope),
        bounds.map((bound) => bound(scope)),
      );
  }
  if (field(node, "computed") !== true && property.type === "Identifier") {
    const name = text(property);
    return (scope) => getAttribute(object(scope), name, what);
  }
  const key = compileExpression(property);
  return (scope) => getItem(object(scope), key(scope), what);
}

/** Compiles what stands in the brackets of a call. */
export function compileArguments(nodes: readonly Node[]): (scope: Scope) => CallArguments {
  const parts = nodes.map((node) => {
    if (node.type === "KeywordArgumentExpression") {
      return {
        name: text(child(node, "key")),
        spread: false,
        value: compileExpression(child(node, "value")),
      };
    }
    const spread = node.type === "SpreadExpression" || node.type === "KeywordSpreadExpression";
    const value = compileExpression(spread ? child(node, "argument") : node);
    return { name: node.type === "KeywordSpreadExpression" ? "**" : null, spread, value };
  });
  return (scope) => {
    const positional: JinjaValue[] = [];
    const keyword = new Map<string, JinjaValue>();
    for (const { name, spread, value } of parts) {
      const given = value(scope);
      if (name === null) positional.push(...(spread ? iterate(given) : [given]));
      else if (!spread) keyword.set(name, given);
      else if (given instanceof Map) for (const [key, item] of given) keyword.set(toText(key), item);
      else throw typeError(`argument after ** must be a mapping, not ${typeName(given)}`);
    }
    return { positional, keyword };
  };
}

function compileCall(node: Node): Evaluate {
  const calleeNode = child(node, "callee");
  const callee = compileExpression(calleeNode);
  const call = compileArguments(children(node, "args"));
  return (scope) => {
    const called = callee(scope);
    if (typeof called === "function") return called(call(scope));
    if (called === undefined) throw typeError(missingCallee(calleeNode, scope));
    throw typeError(`'${typeName(called)}' object is not callable`);
  };
}

/** Methods are missing because the object is of another type than the template thinks. */
function missingCallee(node: Node, scope: Scope): string {
  if (node.type !== "MemberExpression") return `'${nameOf(node)}' is undefined`;
  const owner = compileExpression(child(node, "object"))(scope);
  return `'${nameOf(node)}' is undefined: '${nameOf(child(node, "object"))}' is ${typeName(owner)}`;
}

/** A filter with its arguments; an unknown one is refused here, before anything is rendered. */
export function compileFilter(node: Node): (value: JinjaValue, scope: Scope) => JinjaValue {
  const isCall = node.type === "CallExpression";
  const filter: JinjaFilter = findFilter(text(isCall ? child(node, "callee") : node));
  const call = compileArguments(isCall ? children(node, "args") : []);
  return (value, scope) => filter(value, call(scope));
}

function compileTest(node: Node): Evaluate {
  const operand = compileExpression(child(node, "operand"));
  const name = text(child(node, "test"));
  const test = tests.get(name);
  if (test === undefined) throw new TemplateError("syntax", `No test named '${name}'.`);
  const isNegated = field(node, "negate") === true;
  return (scope) => test(operand(scope)) !== isNegated;
}

function compileUnary(node: Node): Evaluate {
  const value = compileExpression(child(node, "argument"));
  const operator = operatorOf(node);
  if (operator === "not") return (scope) => !isTruthy(value(scope));
  if (operator === "-") return (scope) => negate(value(scope));
  return (scope) => {
    const number = asNumber(value(scope));
    if (number === null) throw typeError("bad operand type for unary +");
    return number;
  };
}

function compileBinary(node: Node): Evaluate {
  const leftNode = child(node, "left");
  const left = compileExpression(leftNode);
  const right = compileExpression(child(node, "right"));
  const name = operatorOf(node);
  if (name === "and") {
    return (scope) => {
      const value = left(scope);
      return isTruthy(value) ? right(scope) : value;
    };
  }
  if (name === "or") {
    return (scope) => {
      const value = left(scope);
      return isTruthy(value) ? value : right(scope);
    };
  }
  if (isOrdering(name) && leftNode.type === "BinaryExpression" && isOrdering(operatorOf(leftNode))) {
    return compileChain(leftNode, compileExpression(child(leftNode, "right")), name, right);
  }
  const operator = binaryOperators.get(name);
  if (operator === undefined) throw new TemplateError("syntax", `Unknown operator ${name}.`);
  return (scope) => operator(left(scope), right(scope));
}

const isOrdering = (operator: string) => /^[<>]=?$/.test(operator);

/** `a < b < c` is `a < b and b < c`; the parser knows no chains and reads `(a < b) < c`. */
function compileChain(first: Node, middle: Evaluate, operator: string, last: Evaluate): Evaluate {
  const before = compileExpression(first);
  const compare = binaryOperators.get(operator);
  return (scope) => before(scope) === true && compare?.(middle(scope), last(scope));
}

function compileChoice(condition: Node, whenTrue: Node, whenFalse: Node | null): Evaluate {
  const test = compileExpression(condition);
  const yes = compileExpression(whenTrue);
  const no = whenFalse === null ? constant(undefined) : compileExpression(whenFalse);
  return (scope) => (isTruthy(test(scope)) ? yes(scope) : no(scope));
}
