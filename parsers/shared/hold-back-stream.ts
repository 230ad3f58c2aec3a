/**
 * The stream that every parser gets for free: text goes out as content until a marker may begin, and from there on
 * everything waits for the end, when the whole is parsed. What goes out is never taken back, because vLLM's own
 * answer (a call dropped, the whole text returned) is known only then. Total time is linear.
 */
import type {
  ParsedCompletion,
  ParsedDelta,
  ParseMode,
  ToolCallStream,
} from "../../src/contracts/tool-call-parser.ts";
import { isPythonSpace } from "./python-text.ts";

export type StreamRule = {
  /** Text before the first of these is content, whatever follows. */
  markers: readonly string[];
  /** "trimmed": whitespace around the content may be lost, depending on what follows. */
  content: "verbatim" | "trimmed";
  /** vLLM's reading of the format makes nothing certain before the end. */
  strictOnly?: true;
};

export function holdBackStream(
  parse: (text: string) => ParsedCompletion,
  rule: StreamRule | undefined,
  mode: ParseMode = "vllm",
): ToolCallStream {
  const pieces: string[] = [];
  // Strict content is trimmed in every family.
  const gated = mode === "strict" ? rule && { ...rule, content: "trimmed" as const } : rule;
  const gate =
    gated === undefined || (mode === "vllm" && gated.strictOnly) ? undefined : new ContentGate(gated);
  return {
    push(text): ParsedDelta {
      pieces.push(text);
      return { content: gate?.push(text) ?? "", reasoning: "", toolCalls: [] };
    },
    end: () => parse(pieces.join("")),
  };
}

/** So much trailing whitespace is no answer; searching it again with every piece would be quadratic. */
const maxHeld = 4096;

/** Lets through what is content for certain. */
class ContentGate {
  readonly #markers: readonly string[];
  readonly #trims: boolean;
  #held = "";
  #state: "start" | "open" | "closed" = "start";

  constructor({ markers, content }: StreamRule) {
    this.#markers = markers;
    this.#trims = content === "trimmed";
  }

  push(text: string): string {
    if (this.#state === "closed" || text === "") return "";
    // Leading whitespace is lost only if calls follow: nothing is certain then.
    if (this.#state === "start" && this.#trims && isPythonSpace(text.charCodeAt(0))) {
      this.#state = "closed";
      return "";
    }
    this.#state = "open";
    const held = this.#held + text;
    let end = held.length;
    const marker = this.#firstMarker(held);
    if (marker === undefined) end -= this.#partialMarker(held);
    else {
      end = marker;
      this.#state = "closed";
    }
    if (this.#trims) while (end > 0 && isPythonSpace(held.charCodeAt(end - 1))) end--;
    this.#held = held.slice(end);
    if (this.#held.length > maxHeld) this.#state = "closed";
    return held.slice(0, end);
  }

  #firstMarker(text: string): number | undefined {
    let first: number | undefined;
    for (const marker of this.#markers) {
      const place = text.indexOf(marker);
      if (place >= 0 && (first === undefined || place < first)) first = place;
    }
    return first;
  }

  /** How many of the last characters may be the beginning of a marker. */
  #partialMarker(text: string): number {
    let longest = 0;
    for (const marker of this.#markers) {
      const from = Math.max(0, text.length - marker.length + 1);
      // Only where a marker's first character stands can it begin; that is rare in prose.
      for (
        let start = text.indexOf(marker.charAt(0), from);
        start >= 0;
        start = text.indexOf(marker.charAt(0), start + 1)
      ) {
        if (marker.startsWith(text.slice(start))) {
          longest = Math.max(longest, text.length - start);
          break;
        }
      }
    }
    return longest;
  }
}
