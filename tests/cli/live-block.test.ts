import { describe, expect, test } from "vitest";
import { LiveBlock } from "../../src/cli/live-block.ts";
import { fitText, oneLine, padText, textWidth } from "../../src/cli/text-width.ts";

/** A screen that understands the few codes a block writes. Rows wrap at the width, as terminals do. */
class Screen {
  columns: number;
  rows = 10;
  lines: string[] = [""];
  cursorHidden = false;
  #row = 0;
  #column = 0;

  constructor(columns: number) {
    this.columns = columns;
  }

  write(text: string): void {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: ESC starts a terminal code.
    const tokens = text.match(/\u001b\[\??\d*[A-Za-z]|[\s\S]/g) ?? [];
    for (const token of tokens) this.#apply(token);
  }

  #apply(token: string): void {
    if (token === "\r") this.#column = 0;
    else if (token === "\n") this.#newLine();
    else if (token === "\x1b[2K") this.lines[this.#row] = "";
    else if (token === "\x1b[J") {
      this.lines.length = this.#row + 1;
      this.lines[this.#row] = this.#line().slice(0, this.#column);
    } else if (token === "\x1b[?25l") this.cursorHidden = true;
    else if (token === "\x1b[?25h") this.cursorHidden = false;
    else if (token.startsWith("\x1b[") && token.endsWith("A"))
      this.#row = Math.max(0, this.#row - Number(token.slice(2, -1)));
    else if (!token.startsWith("\x1b")) {
      if (this.#column >= this.columns) this.#newLine();
      this.lines[this.#row] =
        this.#line().slice(0, this.#column) + token + this.#line().slice(this.#column + 1);
      this.#column += 1;
    }
  }

  #newLine(): void {
    this.#row += 1;
    this.#column = 0;
    this.lines[this.#row] ??= "";
  }

  #line(): string {
    return this.lines[this.#row] ?? "";
  }
}

describe("LiveBlock", () => {
  test("redraws in place, also when the block grows and shrinks", () => {
    const screen = new Screen(20);
    const block = new LiveBlock(screen);
    block.draw(["one", "two two"]);
    block.draw(["1"]);
    expect(screen.lines).toEqual(["1", ""]);
    block.draw(["a", "b", "c"]);
    expect(screen.lines).toEqual(["a", "b", "c", ""]);
    block.close();
  });

  test("prints above the block, which stays below", () => {
    const screen = new Screen(20);
    using block = new LiveBlock(screen);
    block.draw(["state 1", "more"]);
    block.print("a notice\nof two lines");
    block.draw(["state 2"]);
    expect(screen.lines).toEqual(["a notice", "of two lines", "state 2", ""]);
  });

  test("a printed line that wraps leaves nothing of the block between its words", () => {
    const screen = new Screen(8);
    using block = new LiveBlock(screen);
    block.draw(["aaaaaaa", "bbbbbbb"]);
    block.print("0123456789");
    expect(screen.lines).toEqual(["01234567", "89", "aaaaaaa", "bbbbbbb", ""]);
  });

  test("cuts lines to the width and the block to the height", () => {
    const screen = new Screen(8);
    screen.rows = 3;
    using block = new LiveBlock(screen);
    block.draw(["123456789", "b", "c", "d"]);
    block.draw(["123456789", "b", "c", "d"]);
    expect(screen.lines).toEqual(["123456…", "b", ""]);
  });

  test("the cursor is hidden while the block lives and comes back once, also twice closed", () => {
    const screen = new Screen(20);
    const listeners = process.listenerCount("exit");
    const block = new LiveBlock(screen);
    expect(screen.cursorHidden).toBe(true);
    expect(process.listenerCount("exit")).toBe(listeners + 1);
    block.draw(["last"]);
    block.close();
    block.close();
    expect(screen.cursorHidden).toBe(false);
    expect(screen.lines).toEqual(["last", ""]);
    expect(process.listenerCount("exit")).toBe(listeners);
  });
});

describe("widths", () => {
  test.each([
    ["abc", 3],
    ["\x1b[1mabc\x1b[22m", 3],
    ["数学", 4],
    ["é", 1],
    ["e\u0301", 1],
    ["👩‍👩‍👧", 2],
    ["½·█", 3],
  ])("textWidth(%j) is %i", (text, width) => {
    expect(textWidth(text)).toBe(width);
    expect(padText(text, 6)).toBe(text + " ".repeat(6 - width));
  });

  test.each([
    ["abcdef", 6, "abcdef"],
    ["abcdef", 4, "abc…"],
    ["数学数学", 5, "数学…"],
    ["数学数学", 4, "数…"],
    ["\x1b[1mabcdef\x1b[22m", 4, "\x1b[1mabc…\x1b[0m"],
    ["abc", 0, ""],
  ])("fitText(%j, %i)", (text, columns, expected) => {
    expect(fitText(text, columns)).toBe(expected);
    expect(textWidth(fitText(text, columns))).toBeLessThanOrEqual(columns);
  });

  test("oneLine takes the sting out of a model's text", () => {
    expect(oneLine("a\n\tb\x1b[31m\x07 c\u009b2J\r\n")).toBe("a b c");
  });
});
