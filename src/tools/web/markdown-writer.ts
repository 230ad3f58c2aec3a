/**
 * Writes markdown piece by piece: collapses white space as HTML does, separates blocks by one empty line, and
 * puts the marks of quotes and lists before each line. Marks that would hold nothing are taken back.
 */
type List = { ordered: boolean; count: number };
type Open = { at: number; close: string; wasFresh: boolean };

/** Levels of quotes and of lists that are shown: a page nested for the sake of it must not become a huge text. */
const deepest = 8;

export class MarkdownWriter {
  readonly #parts: string[] = [];
  readonly #lists: List[] = [];
  readonly #links: Open[] = [];
  readonly #marks: Open[] = [];
  #quotes = 0;
  /** Line breaks owed before the next text; 2 = an empty line. */
  #breaks = 0;
  /** What the empty line holds: the marks of the quote that both blocks share. */
  #blankPrefix = "";
  /** White space owed before the next text. */
  #space = false;
  #isFresh = true;
  /** Written once at the start of the next line: a heading's or an item's mark. */
  #lead = "";
  #isPreformatted = false;
  #tables = 0;
  #cellsInRow = 0;
  #rows = 0;
  #isInCell = false;

  text(text: string): void {
    if (this.#isPreformatted) {
      this.#parts.push(this.#linePrefix() === "" ? text : text.replaceAll("\n", `\n${this.#linePrefix()}`));
      return;
    }
    const words = text.replace(/\s+/g, " ");
    const body = words.trim();
    if (words.startsWith(" ")) this.#space = true;
    if (body === "") return;
    this.inline(this.#isInCell ? body.replaceAll("|", "\\|") : body);
    this.#space = words.endsWith(" ");
  }

  /** Text that is taken as it is, on the present line. */
  inline(text: string): void {
    this.#startLine();
    this.#parts.push(text);
    this.#isFresh = false;
  }

  paragraph(): void {
    this.#owe(2);
  }

  lineBreak(): void {
    if (this.#isPreformatted) this.#parts.push("\n");
    else this.#owe(1);
  }

  heading(level: number): void {
    this.paragraph();
    this.#lead = `${"#".repeat(level)} `;
  }

  rule(): void {
    this.paragraph();
    this.inline("---");
    this.paragraph();
  }

  openList(ordered: boolean): void {
    this.#owe(this.#lists.length === 0 ? 2 : 1);
    this.#lists.push({ ordered, count: 0 });
  }

  closeList(): void {
    this.#lead = "";
    this.#lists.pop();
    this.#owe(this.#lists.length === 0 ? 2 : 1);
  }

  item(): void {
    const list = this.#lists.at(-1);
    if (list !== undefined) list.count++;
    this.#lead = "";
    this.#owe(1);
    if (list !== undefined && list.count > 1) this.#breaks = 1;
    this.#lead = list?.ordered === true ? `${list.count}. ` : "- ";
  }

  quote(isEnd: boolean): void {
    if (isEnd) this.#quotes = Math.max(0, this.#quotes - 1);
    this.paragraph();
    if (!isEnd) this.#quotes++;
  }

  preformatted(isEnd: boolean): void {
    if (isEnd === !this.#isPreformatted) return;
    if (isEnd) {
      this.#isPreformatted = false;
      this.#parts.push(`\n${this.#linePrefix()}\`\`\``);
      this.paragraph();
    } else {
      this.paragraph();
      this.inline(`\`\`\`\n${this.#linePrefix()}`);
      this.#isPreformatted = true;
    }
  }

  code(isEnd: boolean): void {
    if (!this.#isPreformatted) this.mark("`", isEnd);
  }

  /** Emphasis and inline code: the same mark before and behind. */
  mark(mark: string, isEnd: boolean): void {
    if (this.#isPreformatted) return;
    if (!isEnd) this.#open(this.#marks, mark, mark);
    else if (this.#marks.at(-1)?.close === mark) this.#close(this.#marks);
  }

  openLink(address: string | undefined): void {
    if (this.#isPreformatted) return;
    if (this.#links.length > 0) this.closeLink();
    if (address === undefined) return;
    this.#open(this.#links, "[", `](${address})`);
  }

  closeLink(): void {
    this.#close(this.#links);
  }

  table(isEnd: boolean): void {
    if (this.#tables === 1 || !isEnd) this.row();
    this.#tables = Math.max(0, this.#tables + (isEnd ? -1 : 1));
    this.#rows = 0;
    this.paragraph();
  }

  /** A row begins or ends: the one that is open is done. */
  row(): void {
    if (this.#tables !== 1) return;
    this.#isInCell = false;
    const cells = this.#cellsInRow;
    this.#cellsInRow = 0;
    if (cells > 0) {
      this.#space = false;
      this.inline(" |");
      if (this.#rows++ === 0) this.inline(`\n${this.#linePrefix()}|${" --- |".repeat(cells)}`);
    }
    this.#owe(1);
  }

  cell(isEnd: boolean): void {
    if (this.#tables !== 1) return;
    this.#isInCell = false;
    if (isEnd) return;
    this.#space = false;
    this.inline(this.#cellsInRow++ === 0 ? "| " : " | ");
    this.#isInCell = true;
    this.#isFresh = true;
  }

  finish(): string {
    if (this.#isPreformatted) this.preformatted(true);
    while (this.#marks.length > 0) this.#close(this.#marks);
    this.closeLink();
    return this.#parts.join("").trim();
  }

  #open(stack: Open[], mark: string, close: string): void {
    this.#startLine();
    stack.push({ at: this.#parts.length, close, wasFresh: this.#isFresh });
    this.#parts.push(mark);
    this.#isFresh = true;
  }

  #close(stack: Open[]): void {
    const open = stack.pop();
    if (open === undefined) return;
    let first = open.at + 1;
    while (first < this.#parts.length && this.#parts[first]?.trim() === "") first++;
    const isEmpty = first >= this.#parts.length;
    if (isEmpty) {
      this.#parts.length = open.at;
      // The space before it is owed again: the next text may bring its own.
      if (this.#parts.at(-1) === " ") this.#space = this.#parts.pop() !== undefined;
    } else this.#parts.push(open.close);
    this.#isFresh = isEmpty && open.wasFresh;
  }

  #owe(breaks: number): void {
    if (this.#isInCell) this.#space = true;
    // A block that opens an item stands on the item's own line.
    else if (!isItemMark(this.#lead)) {
      const prefix = this.#linePrefix().trimEnd();
      if (this.#breaks === 0 || prefix.length < this.#blankPrefix.length) this.#blankPrefix = prefix;
      this.#breaks = Math.max(this.#breaks, breaks);
      this.#lead = "";
    }
  }

  #startLine(): void {
    if (this.#breaks > 0 || this.#parts.length === 0) {
      if (this.#parts.length > 0) {
        this.#parts.push(this.#breaks > 1 ? `\n${this.#blankPrefix}\n` : "\n");
      }
      this.#parts.push(this.#linePrefix(this.#lead), this.#lead);
      this.#isFresh = true;
      this.#breaks = 0;
      this.#lead = "";
    } else if (this.#space && !this.#isFresh) this.#parts.push(" ");
    this.#space = false;
  }

  /** Marks of the quotes, and the indentation of the lists; an item's own mark stands one level further out. */
  #linePrefix(lead = ""): string {
    const depth = Math.max(0, this.#lists.length - (isItemMark(lead) ? 1 : 0));
    return "> ".repeat(Math.min(this.#quotes, deepest)) + "  ".repeat(Math.min(depth, deepest));
  }
}

function isItemMark(lead: string): boolean {
  return /^(- |\d+\. )$/.test(lead);
}
