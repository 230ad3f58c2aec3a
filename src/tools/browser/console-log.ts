/** What a rollout's pages wrote to their consoles, and the errors that nobody caught: the newest of each. */
import { headOf } from "../cap-text.ts";

const mostEntries = 100;
const longestChars = 1_000;

export type ConsoleMessage = { type: string; text: string };

export class ConsoleLog {
  readonly #messages: ConsoleMessage[] = [];
  readonly #errors: { message: string }[] = [];
  #totalMessages = 0;
  #totalErrors = 0;

  add(type: string, text: string): void {
    this.#totalMessages += 1;
    this.#messages.push({ type, text: headOf(text, longestChars) });
    if (this.#messages.length > mostEntries) this.#messages.shift();
  }

  addError(message: string): void {
    this.#totalErrors += 1;
    this.#errors.push({ message: headOf(message, longestChars) });
    if (this.#errors.length > mostEntries) this.#errors.shift();
  }

  clear(): void {
    this.#messages.length = 0;
    this.#errors.length = 0;
    this.#totalMessages = 0;
    this.#totalErrors = 0;
  }

  read() {
    return {
      console_messages: [...this.#messages],
      js_errors: [...this.#errors],
      total_messages: this.#totalMessages,
      total_errors: this.#totalErrors,
    };
  }
}
