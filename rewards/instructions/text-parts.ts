/** How texts are taken apart into what instructions count. Everything here takes time linear in the text. */

export const words = (text: string): string[] => text.match(/[\p{L}\p{N}_]+(?:['’][\p{L}\p{N}_]+)*/gu) ?? [];

const abbreviation =
  /\b(?:Mr|Mrs|Ms|Dr|Prof|Sr|Jr|St|vs|etc|Inc|Ltd|Co|Corp|Fig|No|Vol|approx|e\.g|i\.e|a\.m|p\.m|U\.S)\.$/i;

/** Sentences end at . ! ? and 。！？, at the end of the text, and not after abbreviations, initials or inside numbers. */
export function sentences(text: string): string[] {
  const found: string[] = [];
  let start = 0;
  for (const end of text.matchAll(/[.!?…]+["'”’)\]*_]*(?=\s|$)|[。！？]+/g)) {
    const sentence = text.slice(start, end.index + end[0].length).trim();
    const tail = sentence.slice(-12);
    if (end[0] === "." && (abbreviation.test(tail) || /(?:^|[\s.])\p{Lu}\.$/u.test(tail))) continue;
    // The number of a list's point.
    if (/^\d{1,3}\.$/.test(sentence)) continue;
    found.push(sentence);
    start = end.index + end[0].length;
  }
  const rest = text.slice(start).trim();
  if (/[\p{L}\p{N}]/u.test(rest)) found.push(rest);
  return found;
}

/** Blocks between blank lines. */
export const blocks = (text: string): string[] =>
  text
    .split(/\n[ \t]*\n/)
    .map((block) => block.trim())
    .filter((block) => block !== "");

/** How often the text has this word or phrase, as whole words, whatever its case. */
export function occurrences(text: string, phrase: string): number {
  const wanted = phrase.trim().toLowerCase();
  if (wanted === "") return 0;
  const lower = text.toLowerCase();
  let count = 0;
  for (let at = lower.indexOf(wanted); at >= 0; at = lower.indexOf(wanted, at + wanted.length)) {
    if (
      !isWordCharacter(lower, at - 1, wanted[0]) &&
      !isWordCharacter(lower, at + wanted.length, wanted.at(-1))
    ) {
      count += 1;
    }
  }
  return count;
}

/** A border only matters where the phrase itself has a letter at it: "C++" may be followed by anything. */
function isWordCharacter(text: string, index: number, neighbour: string | undefined): boolean {
  const isWord = /[\p{L}\p{N}_]/u;
  return isWord.test(neighbour ?? "") && isWord.test(text[index] ?? "");
}
