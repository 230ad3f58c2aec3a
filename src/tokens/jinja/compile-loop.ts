/** `{% for %}` with its `loop` variable, `if` filter and `else`. */
import { compileExpression } from "./compile-expression.ts";
import { type Render, Scope } from "./scope.ts";
import { child, type Node } from "./tree.ts";
import { Attributes, isEqual, isTruthy, iterate, type JinjaFunction, type JinjaValue } from "./values.ts";

/** Binds the loop's variable or variables. */
export type Assign = (scope: Scope, value: JinjaValue) => void;

export function compileLoop(
  node: Node,
  { assign, body, otherwise }: { assign: Assign; body: Render; otherwise: Render },
): Render {
  const iterableNode = child(node, "iterable");
  const isFiltered = iterableNode.type === "SelectExpression";
  const iterable = compileExpression(isFiltered ? child(iterableNode, "lhs") : iterableNode);
  const filter = isFiltered ? compileExpression(child(iterableNode, "test")) : null;
  return (outer, out) => {
    const items = iterate(iterable(outer)).filter((item) => {
      if (filter === null) return true;
      const scope = new Scope(outer);
      assign(scope, item);
      return isTruthy(filter(scope));
    });
    if (items.length === 0) return otherwise(new Scope(outer), out);
    const loop = new Loop(items);
    for (const [index, item] of items.entries()) {
      const scope = new Scope(outer);
      loop.index = index;
      scope.set("loop", loop);
      assign(scope, item);
      if (body(scope, out) === "break") break;
    }
    return "next";
  };
}

class Loop extends Attributes {
  readonly kind = "loop";
  readonly #items: readonly JinjaValue[];
  #changedFrom: readonly JinjaValue[] | null = null;
  index = 0;

  constructor(items: readonly JinjaValue[]) {
    super();
    this.#items = items;
  }

  get(name: string): JinjaValue {
    const { length } = this.#items;
    switch (name) {
      case "index":
        return BigInt(this.index + 1);
      case "index0":
        return BigInt(this.index);
      case "revindex":
        return BigInt(length - this.index);
      case "revindex0":
        return BigInt(length - this.index - 1);
      case "first":
        return this.index === 0;
      case "last":
        return this.index === length - 1;
      case "length":
        return BigInt(length);
      case "previtem":
        return this.#items[this.index - 1];
      case "nextitem":
        return this.#items[this.index + 1];
      case "depth":
        return 1n;
      case "depth0":
        return 0n;
      case "cycle":
        return ({ positional }) => positional[this.index % Math.max(1, positional.length)];
      case "changed":
        return this.#changed;
      default:
        return undefined;
    }
  }

  readonly #changed: JinjaFunction = ({ positional }) => {
    const last = this.#changedFrom;
    this.#changedFrom = positional;
    return last === null || !isEqual([...last], [...positional]);
  };
}
