/**
 * Turns a web page into markdown that a model can read: headings, lists, links, code, tables, emphasis. One
 * pass over the text in linear time, forgiving as browsers are; scripts, styles, navigation and embedded data
 * are left out. It is no renderer: what a page draws by script isn't there.
 */
import { decodeEntities } from "./html-entities.ts";
import { MarkdownWriter } from "./markdown-writer.ts";

export type MarkdownPage = { title: string; markdown: string };

/** Their content is never text of the page. */
const leftOut = new Set(
  "script style noscript template svg iframe object canvas audio video nav footer aside select button dialog".split(
    " ",
  ),
);
/** What stands inside is text up to the closing tag, whatever it looks like. */
const rawText = new Set("script style textarea title noscript iframe template svg".split(" "));
const paragraphs = new Set(
  "p div section article main header figure figcaption address dl dd dt fieldset form details summary center".split(
    " ",
  ),
);

type Tag = { name: string; isEnd: boolean; attributes: string; end: number };

/** `url` is what relative links start from. */
export function htmlToMarkdown(html: string, url: string): MarkdownPage {
  const writer = new MarkdownWriter();
  let title = "";
  let at = 0;
  /** Name and depth of the element that is being left out. */
  let skipping: { name: string; depth: number } | undefined;
  while (at < html.length) {
    const open = html.indexOf("<", at);
    const textEnd = open === -1 ? html.length : open;
    if (skipping === undefined && textEnd > at) writer.text(decodeEntities(html.slice(at, textEnd)));
    if (open === -1) break;
    const comment = endOfComment(html, open);
    if (comment !== undefined) {
      at = comment;
      continue;
    }
    const tag = readTag(html, open);
    if (tag === undefined) {
      if (skipping === undefined) writer.text("<");
      at = open + 1;
      continue;
    }
    at = tag.end;
    if (skipping !== undefined) {
      if (tag.name === skipping.name) skipping.depth += tag.isEnd ? -1 : 1;
      if (skipping.depth === 0) skipping = undefined;
      continue;
    }
    if (!tag.isEnd && rawText.has(tag.name)) {
      const close = findClose(html, tag.name, tag.end);
      if (tag.name === "title" && title === "") title = oneLine(decodeEntities(html.slice(tag.end, close)));
      if (tag.name === "textarea") writer.text(decodeEntities(html.slice(tag.end, close)));
      at = close;
    } else if (!tag.isEnd && leftOut.has(tag.name)) skipping = { name: tag.name, depth: 1 };
    else writeTag(writer, tag, url);
  }
  return { title, markdown: writer.finish() };
}

type TagWriter = (writer: MarkdownWriter, isEnd: boolean) => void;

const bold: TagWriter = (writer, isEnd) => writer.mark("**", isEnd);
const italic: TagWriter = (writer, isEnd) => writer.mark("*", isEnd);
const cell: TagWriter = (writer, isEnd) => writer.cell(isEnd);
const list =
  (ordered: boolean): TagWriter =>
  (writer, isEnd) =>
    isEnd ? writer.closeList() : writer.openList(ordered);
const heading =
  (level: number): TagWriter =>
  (writer, isEnd) =>
    isEnd ? writer.paragraph() : writer.heading(level);

/** What the elements with a meaning of their own write. */
const tagWriters: ReadonlyMap<string, TagWriter> = new Map<string, TagWriter>([
  ...[1, 2, 3, 4, 5, 6].map((level): [string, TagWriter] => [`h${level}`, heading(level)]),
  ["ul", list(false)],
  ["ol", list(true)],
  ["li", (writer, isEnd) => !isEnd && writer.item()],
  ["table", (writer, isEnd) => writer.table(isEnd)],
  ["tr", (writer) => writer.row()],
  ["td", cell],
  ["th", cell],
  ["br", (writer) => writer.lineBreak()],
  ["hr", (writer) => writer.rule()],
  ["pre", (writer, isEnd) => writer.preformatted(isEnd)],
  ["blockquote", (writer, isEnd) => writer.quote(isEnd)],
  ["code", (writer, isEnd) => writer.code(isEnd)],
  ["b", bold],
  ["strong", bold],
  ["i", italic],
  ["em", italic],
]);

function writeTag(writer: MarkdownWriter, { name, isEnd, attributes }: Tag, url: string): void {
  const write = tagWriters.get(name);
  if (write !== undefined) write(writer, isEnd);
  else if (paragraphs.has(name)) writer.paragraph();
  else if (name === "a" && isEnd) writer.closeLink();
  else if (name === "a") writer.openLink(webAddress(attributeOf(attributes, "href"), url));
  else if (name === "img") {
    const address = webAddress(attributeOf(attributes, "src"), url);
    const alt = oneLine(attributeOf(attributes, "alt") ?? "");
    if (address !== undefined && alt !== "") writer.inline(`![${alt}](${address})`);
  }
}

/** An http(s) address, or undefined: embedded data and scripts are no links. */
function webAddress(value: string | undefined, base: string): string | undefined {
  if (value === undefined || !URL.canParse(value, base)) return undefined;
  const { href, protocol } = new URL(value, base);
  return protocol === "http:" || protocol === "https:" ? href : undefined;
}

/** Where a comment, doctype, CDATA or processing instruction ends; undefined = none begins here. */
function endOfComment(html: string, open: number): number | undefined {
  const isComment = html.startsWith("<!--", open);
  if (!isComment && html[open + 1] !== "!" && html[open + 1] !== "?") return undefined;
  const end = isComment ? html.indexOf("-->", open + 4) : html.indexOf(">", open);
  return end === -1 ? html.length : end + (isComment ? 3 : 1);
}

const tagStart = /<(\/?)([a-zA-Z][a-zA-Z0-9:-]*)/y;

/** Quoted attribute values may hold `>`. */
function readTag(html: string, open: number): Tag | undefined {
  tagStart.lastIndex = open;
  const found = tagStart.exec(html);
  if (found === null) return undefined;
  let at = tagStart.lastIndex;
  const attributesStart = at;
  while (at < html.length && html[at] !== ">") {
    const character = html[at];
    const isQuote = (character === '"' || character === "'") && /[=\s]/.test(html[at - 1] ?? "");
    const close = isQuote ? html.indexOf(character, at + 1) : -1;
    at = (close === -1 ? at : close) + 1;
  }
  const attributes = html.slice(attributesStart, at);
  return { name: (found[2] ?? "").toLowerCase(), isEnd: found[1] === "/", attributes, end: at + 1 };
}

/** A name starts behind a space or a value's end only, so that a long word costs one look. */
const attributePattern = /(?<![^\s/"'])([^\s=/"']+)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))/g;

function attributeOf(attributes: string, name: string): string | undefined {
  for (const found of attributes.matchAll(attributePattern)) {
    if (found[1]?.toLowerCase() === name)
      return decodeEntities(found[2] ?? found[3] ?? found[4] ?? "").trim();
  }
  return undefined;
}

/** Start of the closing tag, or the end of the page. */
function findClose(html: string, name: string, from: number): number {
  const close = new RegExp(`</${name}[\\s/>]`, "gi");
  close.lastIndex = from;
  return close.exec(html)?.index ?? html.length;
}

function oneLine(text: string): string {
  return text.replace(/\s+/g, " ").trim();
}
