/**
 * The letter that an answer to a multiple-choice question settles on. Naming several letters at once is no answer, and
 * of several statements the last one counts, so that listing letters is worth no more than a guess.
 *
 * In this order: a text that is nothing but a letter; the last `\boxed{…}` or "answer is …"; a last line that is a
 * letter; the only line that opens with one ("B. Paris"). Only capital letters count: "a" is a word.
 */

/** Far more than any answer needs; what is longer is read from its end. */
const mostCharacters = 20_000;
const statement = /\\boxed\s*\{|\b(?:[Aa]nswer|ANSWER)\b(?:\s+(?:is|IS))?/g;
/** What may stand between a statement and its letter. */
const opening =
  /^(?:[\s:=*_`$({["'“]|\\(?:boxed|text|textbf|mathrm|mathbf)\s*\{|\b(?:is|option|Option|choice|Choice|letter|indeed|clearly|therefore|probably)\b)*/;
const another =
  /^[\s*_`$)}\]"'”]*(?:,|\/|&|\||;|\+|\bor\b|\band\b|\bOR\b|\bAND\b)?[\s*_`$({["'“]*[A-Z](?![\p{L}\d'’])/u;

/** `count`: how many choices there are, from A. Null where the text settles on none of them. */
export function choiceLetter(answer: string, count = 26): string | null {
  const text = answer.slice(-mostCharacters).trim();
  const bare = /^[\s*_`$({["']*(?:\\(?:boxed|text)\{)*([A-Z])[\s*_`$)}\]"'.:]*$/.exec(text)?.[1];
  const found = bare ?? statedLetter(text) ?? lastLine(text) ?? onlyOpeningLetter(text);
  return found !== null && found !== "" && found.charCodeAt(0) - 65 < count ? found : null;
}

/** The letter of the last statement that names one; "" where that names several, null where there is none. */
function statedLetter(text: string): string | null {
  for (const { index, 0: words } of [...text.matchAll(statement)].reverse()) {
    const from = index + words.length;
    const tail = text.slice(from, from + 200);
    const begin = opening.exec(tail)?.[0].length ?? 0;
    const letter = /^([A-Z])(?![\p{L}\d'’])/u.exec(tail.slice(begin))?.[1];
    if (letter === undefined) continue;
    const rest = tail.slice(begin + 1);
    if (another.test(rest)) return "";
    // "A good guess", "I think": words, not choices.
    if (/^[AI]$/.test(letter) && /^ +\p{Ll}/u.test(rest)) continue;
    return letter;
  }
  return null;
}

function lastLine(text: string): string | null {
  const line = text.slice(text.lastIndexOf("\n") + 1).slice(0, 40);
  return /^[\s*_`$({["'>-]*([A-Z])[\s*_`$)}\]"'.:]*$/.exec(line)?.[1] ?? null;
}

function onlyOpeningLetter(text: string): string | null {
  const letters = [...text.matchAll(/^[ \t*_`([]{0,8}([A-Z])[*_`]{0,4}[).:\]][ \t*_`]/gm)].map(
    ([, letter]) => letter,
  );
  return letters.length === 1 ? (letters[0] ?? null) : null;
}
