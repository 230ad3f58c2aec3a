/**
 * The XML document into which vLLM's Step 3.5 reader feeds its repaired pieces. It dies at the first piece that is not
 * well formed, as expat does, and hears nothing from then on; the reader opens a new one for the next call.
 */

export type DocumentEvents = {
  started: (tag: string, name: string | undefined) => void;
  ended: (tag: string) => void;
  characters: (text: string) => void;
};

const tagPattern = /<(\/?)(tool_call|function|parameter)(?: name="([^"<&]*)")?>/y;
const entities = new Map([
  ["&amp;", "&"],
  ["&lt;", "<"],
  ["&gt;", ">"],
  ["&quot;", '"'],
  ["&apos;", "'"],
]);

export class Step3p5Document {
  readonly #events: DocumentEvents;
  readonly #open: string[] = [];
  #hasEnded = false;
  #isDead = false;

  constructor(events: DocumentEvents) {
    this.#events = events;
  }

  /** Text whose markup characters all stand for themselves. False: the document is dead. */
  feedText(text: string): boolean {
    if (this.#isDead) return false;
    // biome-ignore lint/suspicious/noControlCharactersInRegex: XML has no control characters.
    const allowed = this.#open.length > 0 ? /^[^\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]*$/ : /^[ \t\r\n]*$/;
    if (!allowed.test(text) || !text.isWellFormed()) return this.#die();
    if (text !== "" && this.#open.length > 0) this.#events.characters(text.replace(/\r\n?/g, "\n"));
    return true;
  }

  /** A piece with markup in it. */
  feed(markup: string): boolean {
    let at = 0;
    while (at < markup.length && !this.#isDead) {
      const next = markup.indexOf("<", at);
      const text = decode(markup.slice(at, next < 0 ? undefined : next));
      if (text === undefined || !this.feedText(text)) return this.#die();
      if (next < 0) break;
      tagPattern.lastIndex = next;
      const tag = tagPattern.exec(markup);
      if (tag === null || !this.#take(tag[1] === "/", tag[2] ?? "", tag[3])) return this.#die();
      at = tagPattern.lastIndex;
    }
    return !this.#isDead;
  }

  #take(isEnd: boolean, tag: string, name: string | undefined): boolean {
    if (isEnd) {
      if (this.#open.pop() !== tag) return false;
      this.#hasEnded = this.#open.length === 0;
      this.#events.ended(tag);
      return true;
    }
    if (this.#hasEnded) return false;
    this.#open.push(tag);
    this.#events.started(tag, name);
    return true;
  }

  #die(): false {
    this.#isDead = true;
    return false;
  }
}

function decode(text: string): string | undefined {
  let good = true;
  const decoded = text.replace(/&(?:\w{2,4};)?/g, (entity) => {
    const character = entities.get(entity);
    good &&= character !== undefined;
    return character ?? "";
  });
  return good ? decoded : undefined;
}
