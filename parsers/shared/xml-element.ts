/**
 * A small XML reader for single elements, as strict as the libraries that parsers fall back from: whatever is not well
 * formed is refused, so that the fallback begins where theirs does. Doctypes and processing instructions are refused.
 */

export type XmlElement = {
  tag: string;
  attributes: ReadonlyMap<string, string>;
  /** What stands before the first child. */
  text: string;
  children: XmlElement[];
};

const tagPattern = /<(\/?)([A-Za-z_][\w.-]*)((?:\s+[A-Za-z_][\w.-]*\s*=\s*(?:"[^"<]*"|'[^'<]*'))*)\s*(\/?)>/y;
const attributePattern = /([A-Za-z_][\w.-]*)\s*=\s*(?:"([^"]*)"|'([^']*)')/g;
const cdataStart = "<![CDATA[";
const cdataEnd = "]]>";

/** Undefined for anything but one well-formed element with nothing around it. Linear. */
export function readXmlElement(text: string): XmlElement | undefined {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: XML has no control characters.
  if (/[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]/.test(text) || !text.isWellFormed()) return undefined;
  const open: XmlElement[] = [];
  let at = 0;
  for (;;) {
    const next = text.indexOf("<", at);
    if (next < 0) return undefined;
    const words = decode(text.slice(at, next));
    if (words === undefined || !add(open, words)) return undefined;
    if (text.startsWith(cdataStart, next)) {
      const end = text.indexOf(cdataEnd, next);
      if (end < 0 || !add(open, text.slice(next + cdataStart.length, end), true)) return undefined;
      at = end + cdataEnd.length;
      continue;
    }
    tagPattern.lastIndex = next;
    const tag = tagPattern.exec(text);
    if (tag === null) return undefined;
    at = tagPattern.lastIndex;
    const [, slash, name = "", attributes = "", selfClosing] = tag;
    if (slash === "/") {
      const closed = open.pop();
      if (closed?.tag !== name || attributes !== "" || selfClosing !== "") return undefined;
      if (open.length === 0) return at === text.length ? closed : undefined;
      continue;
    }
    const read = readAttributes(attributes);
    if (read === undefined) return undefined;
    const element: XmlElement = { tag: name, attributes: read, text: "", children: [] };
    open.at(-1)?.children.push(element);
    if (selfClosing === "") open.push(element);
    else if (open.length === 0) return at === text.length ? element : undefined;
  }
}

/** Words outside of the element may be whitespace only, and before it not even that. */
function add(open: readonly XmlElement[], words: string, isData = false): boolean {
  const parent = open.at(-1);
  if (parent === undefined) return words === "" && !isData;
  if (parent.children.length === 0) parent.text += words.replaceAll("\r\n", "\n").replaceAll("\r", "\n");
  return true;
}

function readAttributes(source: string): Map<string, string> | undefined {
  const attributes = new Map<string, string>();
  for (const [, name = "", double, single] of source.matchAll(attributePattern)) {
    const value = decode((double ?? single ?? "").replace(/[\t\r\n]/g, " "));
    if (value === undefined || attributes.has(name)) return undefined;
    attributes.set(name, value);
  }
  return attributes;
}

const entities = new Map([
  ["amp", "&"],
  ["lt", "<"],
  ["gt", ">"],
  ["quot", '"'],
  ["apos", "'"],
]);

/** Undefined where an ampersand begins no entity. */
function decode(text: string): string | undefined {
  if (text.includes("]]>")) return undefined;
  if (!text.includes("&")) return text;
  let good = true;
  const decoded = text.replace(
    /&(?:#(\d{1,7})|#x([0-9a-fA-F]{1,6})|(\w{1,8}));|&/g,
    (_, decimal, hex, name) => {
      const code = decimal ? Number(decimal) : hex ? Number.parseInt(hex, 16) : undefined;
      const value = code === undefined ? entities.get(name ?? "") : character(code);
      good &&= value !== undefined;
      return value ?? "";
    },
  );
  return good ? decoded : undefined;
}

function character(code: number): string | undefined {
  const isSpace = code === 9 || code === 10 || code === 13;
  const good =
    isSpace || (code >= 0x20 && code < 0xd800) || (code > 0xdfff && code < 0xfffe) || code > 0xffff;
  return good && code <= 0x10ffff ? String.fromCodePoint(code) : undefined;
}
