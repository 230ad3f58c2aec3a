/**
 * One block of lines at the bottom of a terminal, redrawn in place. Each frame is a single write that
 * overwrites line by line, so nothing flickers; lines are cut to the width, the block to the height. The
 * cursor is hidden while the block lives and comes back however the process ends.
 */
import { fitText, textWidth } from "./text-width.ts";

export interface BlockTerminal {
  readonly columns?: number;
  readonly rows?: number;
  write(text: string): unknown;
}

const hideCursor = "\x1b[?25l";
const showCursor = "\x1b[?25h";
/**
 * Before the text, not after it: a terminal that keeps erased cells (tmux) would wrap them when it gets
 * narrower, and the block would no longer be as high as what was drawn.
 */
const clearLine = "\x1b[2K";
const clearBelow = "\x1b[J";

export class LiveBlock implements Disposable {
  readonly #terminal: BlockTerminal;
  readonly #onExit = () => void this.#terminal.write(showCursor);
  #drawn: string[] = [];
  #closed = false;

  constructor(terminal: BlockTerminal) {
    this.#terminal = terminal;
    terminal.write(hideCursor);
    process.once("exit", this.#onExit);
  }

  /** Replaces the block by these lines. */
  draw(lines: readonly string[]): void {
    if (this.#closed) return;
    const fitted = this.#fit(lines);
    this.#terminal.write(
      this.#moveToTop() + fitted.map((line) => `${clearLine}${line}\n`).join("") + clearBelow,
    );
    this.#drawn = fitted;
  }

  /** Prints lines above the block; they stay on the screen. */
  print(text: string): void {
    // The text may be wider than the terminal: what it wraps into must be clear, too.
    const lines = [...text.split("\n"), ...this.#drawn].map((line) => `${line}\n`);
    this.#terminal.write(this.#moveToTop() + clearBelow + lines.join(""));
  }

  /** Ends the block: the last frame stays (or goes, with `erase`), the cursor is back. */
  close({ erase = false }: { erase?: boolean } = {}): void {
    if (this.#closed) return;
    this.#closed = true;
    process.off("exit", this.#onExit);
    this.#terminal.write((erase ? this.#moveToTop() + clearBelow : "") + showCursor);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** A terminal that got narrower has wrapped what was drawn: those rows count too. */
  #moveToTop(): string {
    const columns = this.#columns();
    const rows = this.#drawn.reduce(
      (sum, line) => sum + Math.max(1, Math.ceil(textWidth(line) / columns)),
      0,
    );
    return rows === 0 ? "\r" : `\r\x1b[${rows}A`;
  }

  #fit(lines: readonly string[]): string[] {
    const height = Math.max(1, (this.#terminal.rows ?? 24) - 1);
    const width = this.#columns() - 1;
    return lines.slice(0, height).map((line) => fitText(line, width));
  }

  #columns(): number {
    return Math.max(2, this.#terminal.columns ?? 80);
  }
}
