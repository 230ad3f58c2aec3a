/**
 * Variables of a template. `for`, `macro` and `call` bodies open a scope: they read outwards and set only in
 * their own, so that nothing set in a loop is seen after it (that is what `namespace` is for).
 */
import type { JinjaValue } from "./values.ts";

/** What a loop is to do after a statement. */
export type Flow = "next" | "break" | "continue";
export type Render = (scope: Scope, out: string[]) => Flow;

export class Scope {
  readonly #variables: Map<string, JinjaValue>;
  readonly #parent: Scope | null;

  constructor(parent: Scope | null, variables: Map<string, JinjaValue> = new Map()) {
    this.#parent = parent;
    this.#variables = variables;
  }

  get(name: string): JinjaValue {
    const value = this.#variables.get(name);
    if (value !== undefined || this.#parent === null || this.#variables.has(name)) return value;
    return this.#parent.get(name);
  }

  set(name: string, value: JinjaValue): void {
    this.#variables.set(name, value);
  }
}
