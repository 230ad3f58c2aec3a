/** Statements of the syntax tree, compiled once to functions that write into `out`. */
import { compileArguments, compileExpression, compileFilter, type Evaluate } from "./compile-expression.ts";
import { type Assign, compileLoop } from "./compile-loop.ts";
import { type Render, Scope } from "./scope.ts";
import { TemplateError, typeError } from "./template-error.ts";
import { child, children, field, type Node, optionalChild, text } from "./tree.ts";
import {
  type CallArguments,
  isTruthy,
  iterate,
  type JinjaFunction,
  Namespace,
  Tuple,
  toText,
  typeName,
} from "./values.ts";

export function compileBlock(nodes: readonly Node[]): Render {
  const statements = nodes.filter((node) => node.type !== "Comment").map(compileStatement);
  return (scope, out) => {
    for (const statement of statements) {
      const flow = statement(scope, out);
      if (flow !== "next") return flow;
    }
    return "next";
  };
}

function compileStatement(node: Node): Render {
  switch (node.type) {
    case "If":
      return compileIf(node);
    case "For":
      return compileLoop(node, {
        assign: compileTarget(child(node, "loopvar")),
        body: compileBlock(children(node, "body")),
        otherwise: compileBlock(children(node, "defaultBlock")),
      });
    case "Set":
      return compileSet(node);
    case "Macro":
      return compileMacro(node);
    case "CallStatement":
      return compileCallBlock(node);
    case "FilterStatement":
      return compileFilterBlock(node);
    case "Break":
      return () => "break";
    case "Continue":
      return () => "continue";
    default: {
      const value = compileExpression(node);
      return (scope, out) => {
        out.push(toText(value(scope)));
        return "next";
      };
    }
  }
}

/** A block's text, apart from what is rendered around it. */
function compileText(nodes: readonly Node[]): (scope: Scope) => string {
  const body = compileBlock(nodes);
  return (scope) => {
    const out: string[] = [];
    body(scope, out);
    return out.join("");
  };
}

function compileIf(node: Node): Render {
  const test = compileExpression(child(node, "test"));
  const body = compileBlock(children(node, "body"));
  const alternate = compileBlock(children(node, "alternate"));
  return (scope, out) => (isTruthy(test(scope)) ? body(scope, out) : alternate(scope, out));
}

function compileSet(node: Node): Render {
  const valueNode = optionalChild(node, "value");
  const value: Evaluate =
    valueNode === null ? compileText(children(node, "body")) : compileExpression(valueNode);
  const assign = compileTarget(child(node, "assignee"));
  return (scope) => {
    assign(scope, value(scope));
    return "next";
  };
}

/** What stands left of `=`, or between `for` and `in`. */
function compileTarget(node: Node): Assign {
  if (node.type === "Identifier") {
    const name = text(node);
    return (scope, value) => scope.set(name, value);
  }
  if (node.type === "TupleLiteral") {
    const targets = children(node, "value").map(compileTarget);
    return (scope, value) => {
      const items = iterate(value);
      if (items.length !== targets.length) {
        throw typeError(`${targets.length} values to unpack expected, got ${items.length}`);
      }
      for (const [index, assign] of targets.entries()) assign(scope, items[index]);
    };
  }
  if (node.type !== "MemberExpression" || field(node, "computed") === true) {
    throw new TemplateError("syntax", `${node.type} can't be assigned to.`);
  }
  const object = compileExpression(child(node, "object"));
  const name = text(child(node, "property"));
  return (scope, value) => {
    const namespace = object(scope);
    if (!(namespace instanceof Namespace)) {
      throw typeError(`cannot assign attribute on non-namespace object (${typeName(namespace)})`);
    }
    namespace.set(name, value);
  };
}

function compileMacro(node: Node): Render {
  const name = text(child(node, "name"));
  const define = compileFunction(children(node, "args"), children(node, "body"));
  return (scope) => {
    scope.set(name, define(scope));
    return "next";
  };
}

/** A macro or the body of a call block: sees the scope where it stands, not the one it is called from. */
function compileFunction(
  parameters: readonly Node[],
  body: readonly Node[],
): (scope: Scope) => JinjaFunction {
  const named = parameters.map((parameter) =>
    parameter.type === "KeywordArgumentExpression"
      ? { name: text(child(parameter, "key")), fallback: compileExpression(child(parameter, "value")) }
      : { name: text(parameter), fallback: null },
  );
  const render = compileText(body);
  return (outer) => (call) => {
    const scope = new Scope(outer);
    const rest = new Map(call.keyword);
    for (const [index, parameter] of named.entries()) {
      const isGiven = index < call.positional.length || rest.has(parameter.name);
      const given = index < call.positional.length ? call.positional[index] : rest.get(parameter.name);
      if (index >= call.positional.length) rest.delete(parameter.name);
      scope.set(parameter.name, isGiven || parameter.fallback === null ? given : parameter.fallback(scope));
    }
    scope.set("caller", rest.get("caller"));
    rest.delete("caller");
    scope.set("varargs", new Tuple(call.positional.slice(named.length)));
    scope.set("kwargs", new Map(rest));
    return render(scope);
  };
}

function compileCallBlock(node: Node): Render {
  const callNode = child(node, "call");
  const callee = compileExpression(child(callNode, "callee"));
  const call = compileArguments(children(callNode, "args"));
  const parameters = field(node, "callerArgs") == null ? [] : children(node, "callerArgs");
  const caller = compileFunction(parameters, children(node, "body"));
  return (scope, out) => {
    const macro = callee(scope);
    if (typeof macro !== "function") throw typeError(`'${typeName(macro)}' object is not callable`);
    const given: CallArguments = call(scope);
    const keyword = new Map([...given.keyword, ["caller", caller(scope)] as const]);
    out.push(toText(macro({ positional: given.positional, keyword })));
    return "next";
  };
}

function compileFilterBlock(node: Node): Render {
  const apply = compileFilter(child(node, "filter"));
  const body = compileText(children(node, "body"));
  return (scope, out) => {
    const inner = new Scope(scope);
    out.push(toText(apply(body(inner), scope)));
    return "next";
  };
}
