/**
 * Reads TOML as task files use it: tables, arrays of tables, dotted and quoted keys, all strings, numbers, booleans,
 * arrays and inline tables. Dates stay text. Whoever reads the result parses it with a schema.
 */
export type TomlTable = { [key: string]: TomlValue };
export type TomlValue = string | number | boolean | TomlValue[] | TomlTable;

/** Throws a SyntaxError that names the line. */
export function readToml(text: string): TomlTable {
  return new Reader(text).document();
}

const escapes: Readonly<Record<string, string>> = {
  b: "\b",
  t: "\t",
  n: "\n",
  f: "\f",
  r: "\r",
  e: "\u001b",
  '"': '"',
  "\\": "\\",
};

class Reader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text.replaceAll("\r\n", "\n").replace(/^\uFEFF/, "");
  }

  document(): TomlTable {
    const root = emptyTable();
    let table = root;
    for (this.#skip(true); this.#at < this.#text.length; this.#skip(true)) {
      if (this.#take("[[")) table = this.#openElement(root, this.#key("]]"));
      else if (this.#take("[")) table = this.#openTable(root, this.#key("]"));
      else this.#assign(table);
      this.#skip(false);
      if (this.#at < this.#text.length && this.#text[this.#at] !== "\n")
        this.#fail("expected the end of the line");
    }
    return root;
  }

  #assign(table: TomlTable): void {
    const path = this.#key("=");
    this.#skip(false);
    const name = path.pop() ?? "";
    const owner = this.#openTable(table, path);
    if (Object.hasOwn(owner, name)) this.#fail(`${name} is given twice`);
    owner[name] = this.#value();
  }

  #openTable(from: TomlTable, path: readonly string[]): TomlTable {
    return path.reduce((table, name) => {
      if (!Object.hasOwn(table, name)) table[name] = emptyTable();
      const found = table[name];
      const inner = Array.isArray(found) ? found.at(-1) : found;
      return isTable(inner) ? inner : this.#fail(`${name} is no table`);
    }, from);
  }

  #openElement(root: TomlTable, path: string[]): TomlTable {
    const name = path.pop() ?? "";
    const owner = this.#openTable(root, path);
    if (!Object.hasOwn(owner, name)) owner[name] = [];
    const list = owner[name];
    if (!Array.isArray(list)) return this.#fail(`${name} is no array of tables`);
    const element = emptyTable();
    list.push(element);
    return element;
  }

  /** A dotted key, up to and with what ends it. */
  #key(end: string): string[] {
    const path: string[] = [];
    for (;;) {
      this.#skip(false);
      const quote = this.#text[this.#at];
      path.push(quote === '"' || quote === "'" ? this.#string() : this.#match(/[\w-]+/y, "a key"));
      this.#skip(false);
      if (this.#take(end)) return path;
      if (!this.#take(".")) this.#fail(`expected . or ${end}`);
    }
  }

  #value(): TomlValue {
    const first = this.#text[this.#at];
    if (first === '"' || first === "'") return this.#string();
    if (this.#take("[")) return this.#list();
    if (this.#take("{")) return this.#inlineTable();
    return scalar(this.#match(/[^\s,\]}#]+(?: \d{2}:[\d:.+-]+Z?)?/y, "a value"));
  }

  #list(): TomlValue[] {
    const values: TomlValue[] = [];
    for (;;) {
      this.#skip(true);
      if (this.#take("]")) return values;
      values.push(this.#value());
      this.#skip(true);
      if (!this.#take(",") && this.#text[this.#at] !== "]") this.#fail("expected , or ]");
    }
  }

  #inlineTable(): TomlTable {
    const table = emptyTable();
    for (;;) {
      this.#skip(true);
      if (this.#take("}")) return table;
      this.#assign(table);
      this.#skip(true);
      if (!this.#take(",") && this.#text[this.#at] !== "}") this.#fail("expected , or }");
    }
  }

  #string(): string {
    const quote = this.#text[this.#at] ?? "";
    const isLong = this.#take(quote.repeat(3));
    if (!isLong) this.#at += 1;
    const end = isLong ? quote.repeat(3) : quote;
    if (isLong) this.#take("\n");
    let result = "";
    while (!this.#take(end)) {
      const character = this.#text[this.#at];
      if (character === undefined || (!isLong && character === "\n")) this.#fail("the string doesn't end");
      this.#at += 1;
      result += character === "\\" && quote === '"' ? this.#escape(isLong) : character;
    }
    // """ends with quotes""""
    if (isLong) while (this.#take(quote)) result += quote;
    return result;
  }

  #escape(isLong: boolean): string {
    if (isLong && /^[ \t]*\n/.test(this.#text.slice(this.#at, this.#at + 200))) {
      while (/\s/.test(this.#text[this.#at] ?? "")) this.#at += 1;
      return "";
    }
    const letter = this.#text[this.#at] ?? "";
    this.#at += 1;
    if (letter === "u" || letter === "U") {
      const digits = this.#text.slice(this.#at, this.#at + (letter === "u" ? 4 : 8));
      const code = Number.parseInt(digits, 16);
      if (!/^[\da-f]+$/i.test(digits) || code > 0x10ffff) this.#fail("that is no Unicode escape");
      this.#at += digits.length;
      return String.fromCodePoint(code);
    }
    return escapes[letter] ?? this.#fail(`\\${letter} is no escape`);
  }

  /** Passes over blanks and comments, and over line ends where they mean nothing. */
  #skip(lines: boolean): void {
    const blanks = lines ? /(?:\s|#[^\n]*)*/y : /[ \t]*(?:#[^\n]*)?/y;
    blanks.lastIndex = this.#at;
    this.#at += blanks.exec(this.#text)?.[0].length ?? 0;
  }

  #take(token: string): boolean {
    if (!this.#text.startsWith(token, this.#at)) return false;
    this.#at += token.length;
    return true;
  }

  #match(pattern: RegExp, what: string): string {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0] ?? this.#fail(`expected ${what}`);
    this.#at += found.length;
    return found;
  }

  #fail(why: string): never {
    throw new SyntaxError(`line ${this.#text.slice(0, this.#at).split("\n").length}: ${why}`);
  }
}

/** Without a prototype: no key means anything but itself. */
const emptyTable = (): TomlTable => Object.create(null);

const isTable = (value: TomlValue | undefined): value is TomlTable =>
  typeof value === "object" && !Array.isArray(value);

function scalar(text: string): TomlValue {
  if (text === "true" || text === "false") return text === "true";
  const plain = text.replaceAll("_", "").replace(/^\+/, "");
  const special = /^([+-]?)(inf|nan)$/.exec(text);
  if (special) return special[2] === "nan" ? Number.NaN : special[1] === "-" ? -Infinity : Infinity;
  const isNumber = /^(?:-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|0x[\da-fA-F]+|0o[0-7]+|0b[01]+)$/.test(plain);
  return isNumber ? Number(plain) : text;
}
