/** How Step 3.5's tags are repaired before they are read: what a model forgets is put back, if the tools allow it. */
import type { ToolSchema } from "../src/contracts/chat.ts";
import { asObject, findTool, propertySchema, toolProperties } from "./shared/schema-coercion.ts";

export class TagRepair {
  readonly #tools: readonly ToolSchema[];
  /** The function whose parameters are read. */
  functionName: string | undefined;

  constructor(tools: readonly ToolSchema[]) {
    this.#tools = tools;
  }

  /** `<function f>`, `<functionf>`, `<function=f` and `<parameter=k` without their ends, `<parameter=parameter=k>`. */
  repair(piece: string): string {
    const repaired = this.#withTagEnd(this.#withTagEnd(this.#withEquals(piece), "parameter"), "function");
    return repaired
      .replace(/<function=([^>]+)>/g, '<function name="$1">')
      .replace(/<parameter=([^>]+)>/g, '<parameter name="$1">');
  }

  #withEquals(piece: string): string {
    if (piece.includes("<function=")) return piece;
    for (const pattern of [/<function\s+([a-zA-Z_]\w*)\s*>/, /<function([a-zA-Z_]\w*)\s*>/]) {
      const match = pattern.exec(piece);
      const name = match?.[1];
      if (match !== null && name !== undefined && findTool(this.#tools, name) !== undefined) {
        return piece.replace(match[0], () => `<function=${name}>`);
      }
    }
    return piece;
  }

  #withTagEnd(piece: string, tag: "parameter" | "function"): string {
    const opening = `<${tag}=`;
    const start = piece.indexOf(opening);
    if (start < 0) return piece;
    const from = start + opening.length;
    const close = piece.indexOf(">", start);
    const next = piece.indexOf("<", from);
    if (close >= from && (next < 0 || close < next)) return piece;
    const written = /^[^ \n<]*/.exec(piece.slice(from))?.[0] ?? "";
    const once = written.startsWith(`${tag}=`) ? written.slice(tag.length + 1) : written;
    const name = once.replace(/[^\p{L}\p{N}_-]+$/u, "");
    if (name === "" || (tag === "parameter" && !this.#mayBeParameter(name))) return piece;
    return piece.replace(opening + written, () => `${opening}${name}>`);
  }

  #mayBeParameter(name: string): boolean {
    const tool = this.functionName === undefined ? undefined : findTool(this.#tools, this.functionName);
    if (tool === undefined) return true;
    const parameters = tool.function.parameters;
    return Object.hasOwn(asObject(parameters.properties) ?? parameters, name);
  }

  /** The type by which a value is read; "string" where the schema says none or one that nobody knows. */
  typeOf(parameter: string): string {
    if (this.functionName === undefined) return "string";
    const schema = asObject(propertySchema(toolProperties(this.#tools, this.functionName), parameter));
    const type = schema?.type;
    return typeof type === "string" && known.test(type) ? type : "string";
  }
}

const known =
  /^(?:(?:string|str|text|varchar|char|enum|boolean|bool|binary|object|array|arr|sequence)$|int|uint|long|short|unsigned|num|float|dict|list)/;
