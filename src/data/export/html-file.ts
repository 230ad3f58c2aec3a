/**
 * A page of groups in one file: no scripts, nothing loaded from elsewhere, and a policy that forbids both, since what
 * it shows was written by models. It is held in memory until it is whole, because its head says what is in it; from
 * some size on it takes no further groups, as no browser would open it.
 */
import { createHash } from "node:crypto";
import { type FileHandle, open } from "node:fs/promises";
import { dirname } from "node:path";
import { unwritable } from "../jsonl-file.ts";
import { makeDirectory } from "../make-directory.ts";
import { type RewardSign, scoreText, signOf } from "./html-group.ts";
import { pageStyle } from "./html-style.ts";
import { safeText } from "./html-text.ts";

/** Characters of the page: what a browser opens within a few seconds. */
const PAGE_CHARACTERS = 8_000_000;

/** What the page needs of a group. */
export type PageGroup = {
  scores: readonly number[];
  /** `number` counts the groups of the page from 1. */
  html(number: number): string;
};

export class HtmlFile {
  readonly #path: string;
  readonly #title: string;
  readonly #handle: FileHandle;
  readonly #groups: string[] = [];
  readonly #counts: Record<RewardSign, number> = {
    "reward-positive": 0,
    "reward-zero": 0,
    "reward-negative": 0,
  };
  readonly #characters: number;
  #size = 0;
  #sum = 0;
  #seen = 0;
  #closing: Promise<void> | undefined;

  private constructor(path: string, handle: FileHandle, { title, characters }: PageOptions) {
    this.#path = path;
    this.#handle = handle;
    this.#title = title;
    this.#characters = characters ?? PAGE_CHARACTERS;
  }

  /** Creates or empties the file. Rejects with OUTPUT_UNWRITABLE. */
  static async create(path: string, options: PageOptions): Promise<HtmlFile> {
    try {
      await makeDirectory(dirname(path));
      return new HtmlFile(path, await open(path, "w"), options);
    } catch (error) {
      throw unwritable(path, error);
    }
  }

  /** Groups on the page. */
  get lines(): number {
    return this.#groups.length;
  }

  add({ scores, html }: PageGroup): void {
    this.#seen += 1;
    for (const score of scores) {
      this.#sum += score;
      this.#counts[signOf(score)] += 1;
    }
    if (this.#size >= this.#characters) return;
    const group = html(this.#groups.length + 1);
    this.#groups.push(group);
    this.#size += group.length;
  }

  /** Writes the page. Rejects with OUTPUT_UNWRITABLE. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#write();
    return this.#closing;
  }

  async #write(): Promise<void> {
    try {
      await this.#handle.writeFile(this.#head());
      for (const group of this.#groups) await this.#handle.writeFile(`${group}\n`);
      await this.#handle.writeFile("</main>\n</body>\n</html>\n");
    } catch (error) {
      throw unwritable(this.#path, error);
    } finally {
      await this.#handle.close();
    }
  }

  #head(): string {
    const title = safeText(this.#title);
    const hash = createHash("sha256").update(pageStyle).digest("base64");
    return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'sha256-${hash}'; base-uri 'none'; form-action 'none'">
<meta name="referrer" content="no-referrer">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<style>${pageStyle}</style>
</head>
<body>
<main>
<h1>${title}</h1>
<p>${this.#summary()}</p>
`;
  }

  #summary(): string {
    const { "reward-positive": above, "reward-zero": zero, "reward-negative": below } = this.#counts;
    const samples = above + zero + below;
    if (samples === 0) return "No groups.";
    const left = this.#seen - this.#groups.length;
    return [
      `${this.#seen} group${this.#seen === 1 ? "" : "s"}, ${samples} sample${samples === 1 ? "" : "s"}, mean score ${scoreText(this.#sum / samples)}:`,
      `${above} above zero, ${zero} zero, ${below} below.`,
      left === 0
        ? ""
        : `The page has the first ${this.#groups.length}; ${left} more would make it too large to be opened.`,
    ].join(" ");
  }
}

type PageOptions = {
  title: string;
  /** From so many on no further group is taken. */
  characters?: number;
};
