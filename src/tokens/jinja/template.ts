/**
 * Jinja templates as Python renders them. The parser is @huggingface/jinja's; the values and operators are our
 * own, because a chat template's text is training data and must match Python's to the byte: ints and floats
 * differ, `strip("\n")` strips newlines only, text is counted in code points, and a key called "items" doesn't
 * hide the method. Compiled once, rendered often.
 */
import { compileBlock } from "./compile-statement.ts";
import { entriesOf, range } from "./lookup.ts";
import { type Render, Scope } from "./scope.ts";
import { children, parseTemplate } from "./tree.ts";
import { type JinjaFunction, type JinjaValue, Namespace } from "./values.ts";

const builtins: readonly (readonly [string, JinjaFunction])[] = [
  ["range", range],
  ["namespace", (call) => new Namespace(entriesOf(call))],
  ["dict", (call) => new Map(entriesOf(call))],
];

export class JinjaTemplate {
  readonly #render: Render;
  readonly #globals: ReadonlyMap<string, JinjaValue>;

  /** Throws a TemplateError of kind "syntax". */
  constructor(source: string, globals: ReadonlyMap<string, JinjaFunction> = new Map()) {
    this.#render = compileBlock(children(parseTemplate(source), "body"));
    this.#globals = new Map<string, JinjaValue>([...builtins, ...globals]);
  }

  /** Throws a TemplateError of kind "type" or "refused". */
  render(variables: ReadonlyMap<string, JinjaValue>): string {
    const out: string[] = [];
    this.#render(new Scope(null, new Map([...this.#globals, ...variables])), out);
    return out.join("");
  }
}
