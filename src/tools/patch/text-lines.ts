/** A text cut into lines, with where each starts. A line end at the very end starts no further line. */
export class TextLines {
  readonly text: string;
  /** Without their line ends; "\r" stays. */
  readonly lines: readonly string[];
  readonly #starts: Int32Array;

  constructor(text: string) {
    this.text = text;
    const lines = text.split("\n");
    if (lines.at(-1) === "") lines.pop();
    this.lines = lines;
    this.#starts = new Int32Array(lines.length);
    let start = 0;
    for (const [index, line] of lines.entries()) {
      this.#starts[index] = start;
      start += line.length + 1;
    }
  }

  get endsInLineEnd(): boolean {
    return this.text === "" || this.text.endsWith("\n");
  }

  /** The line end that most of the text has. */
  get lineEnd(): "\n" | "\r\n" {
    const withReturn = this.lines.filter((line) => line.endsWith("\r")).length;
    return withReturn * 2 > this.lines.length ? "\r\n" : "\n";
  }

  /** Where line `index` (from 0) starts; the text's end behind the last. */
  startOf(index: number): number {
    return this.#starts[index] ?? this.text.length;
  }

  /** Where line `index` ends, before its line end. */
  endOf(index: number): number {
    return this.startOf(index) + (this.lines[index]?.length ?? 0);
  }

  /** The line that holds the character at `offset`; at the text's end, behind its last line end, one more than there are. */
  lineAt(offset: number): number {
    if (offset >= this.text.length && this.endsInLineEnd) return this.lines.length;
    let low = 0;
    let high = this.lines.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.startOf(middle) <= offset) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}
