/** The writing half of python-json.ts: `json.dumps` and the repr of floats. */
import type { PythonValue } from "./python-json.ts";

export type PythonDumpsOptions = {
  /** Default false, as templates and tool-call parsers ask for: non-ASCII text stays as it is. */
  ensureAscii?: boolean;
  /** Spaces per level, or the text of one level. Python's None is undefined. */
  indent?: number | string;
  /** Default `[", ", ": "]`; with `indent` the first loses its space. */
  separators?: readonly [item: string, key: string];
  sortKeys?: boolean;
};

/** `json.dumps`. Text that was read by `pythonJsonParse` never nests too deeply for it. */
export function pythonJsonDumps(value: PythonValue, options: PythonDumpsOptions = {}): string {
  const { ensureAscii = false, indent, sortKeys = false } = options;
  const [item, key] = options.separators ?? [indent === undefined ? ", " : ",", ": "];
  const level = typeof indent === "number" ? " ".repeat(Math.max(0, indent)) : indent;
  return dump(value, { ensureAscii, level, item, key, sortKeys }, "");
}

type Layout = {
  ensureAscii: boolean;
  level: string | undefined;
  item: string;
  key: string;
  sortKeys: boolean;
};

function dump(value: PythonValue, layout: Layout, margin: string): string {
  if (typeof value === "string") return dumpString(value, layout.ensureAscii);
  if (typeof value === "bigint") return value.toString();
  if (typeof value === "number") return dumpFloat(value);
  if (value === null || typeof value === "boolean") return String(value);
  const inner = margin + (layout.level ?? "");
  if (Array.isArray(value)) {
    const items = value.map((item) => dump(item, layout, inner));
    return wrap("[", items, "]", layout, margin);
  }
  const entries = [...value];
  if (layout.sortKeys) entries.sort(([a], [b]) => compareCodePoints(a, b));
  const items = entries.map(
    ([key, item]) => dumpString(key, layout.ensureAscii) + layout.key + dump(item, layout, inner),
  );
  return wrap("{", items, "}", layout, margin);
}

function wrap(open: string, items: readonly string[], close: string, layout: Layout, margin: string): string {
  if (items.length === 0) return open + close;
  if (layout.level === undefined) return open + items.join(layout.item) + close;
  const newline = `\n${margin}${layout.level}`;
  return `${open}${newline}${items.join(layout.item + newline)}\n${margin}${close}`;
}

function dumpString(text: string, ensureAscii: boolean): string {
  const json = JSON.stringify(text);
  if (ensureAscii) return json.replace(/[^ -~]/g, escapeUnit);
  // JSON.stringify escapes lone surrogates, which Python writes as they are.
  return text.isWellFormed() ? json : json.replace(/(\\+)u(d[89a-f][0-9a-f]{2})/g, unescapeSurrogate);
}

function escapeUnit(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

function unescapeSurrogate(match: string, slashes: string, digits: string): string {
  if (slashes.length % 2 === 0) return match;
  return slashes.slice(1) + String.fromCharCode(Number.parseInt(digits, 16));
}

function dumpFloat(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  if (Number.isFinite(value)) return pythonFloatRepr(value);
  return value > 0 ? "Infinity" : "-Infinity";
}

/** `repr(float)`: `1.0`, `1e+22`, `1e-05`, `nan`, `inf`. */
export function pythonFloatRepr(value: number): string {
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value > 0 ? "inf" : "-inf";
  const sign = value < 0 || Object.is(value, -0) ? "-" : "";
  const [mantissa = "", exponentText = "0"] = Math.abs(value).toExponential().split("e");
  const digits = mantissa.replace(".", "");
  const exponent = Number(exponentText);
  if (exponent < -4 || exponent >= 16) {
    const fraction = digits.length > 1 ? `.${digits.slice(1)}` : "";
    const size = String(Math.abs(exponent)).padStart(2, "0");
    return `${sign}${digits.charAt(0)}${fraction}e${exponent < 0 ? "-" : "+"}${size}`;
  }
  if (exponent < 0) return `${sign}0.${"0".repeat(-exponent - 1)}${digits}`;
  const whole = digits.slice(0, exponent + 1).padEnd(exponent + 1, "0");
  return `${sign}${whole}.${digits.slice(exponent + 1) || "0"}`;
}

/** Python orders strings by code point, JavaScript by UTF-16 unit. */
function compareCodePoints(a: string, b: string): number {
  const left = Array.from(a, (character) => character.codePointAt(0) ?? 0);
  const right = Array.from(b, (character) => character.codePointAt(0) ?? 0);
  for (const [index, point] of left.entries()) {
    const other = right[index];
    if (other === undefined) return 1;
    if (point !== other) return point - other;
  }
  return left.length - right.length;
}
