/** Multiple choice: the letter that a text settles on. */
const choice = /^[\s({[]*(?:\\text(?:bf)?\s*\{)?[\s({[]*([A-Z])[\s)}\].]*$/;

export function isChoice(text: string): boolean {
  return text.length < 60 && choice.test(text);
}

/** The letter before an option's own words: `C. 12`, `\text{(A) } 5`. */
export function leadingChoice(text: string): string | null {
  return /^\s*(?:\\text(?:bf)?\s?\{)?\s?\(?([A-Z])(?:\)|[.:])/.exec(text)?.[1] ?? null;
}

/** From "the answer is (B)" down to the last letter that stands alone; boxes come before all. Null without one. */
export function findChoice(text: string): string | null {
  if (/\\boxed/.test(text) || /\$[^$\n]+\$/.test(text)) return null;
  const end = text.slice(-5_000);
  const letter = String.raw`\**\s*[(\[]?\s*\**([A-Z])\**\s*[)\]]?\**(?=[.,:;\s)]|$)`;
  for (const introduction of [
    "final answer[^\\n]{0,100}?\\sis:?\\s*",
    "answer\\**:\\s*",
    "(?:answer|option|choice)[^\\n]{0,50}?(?:is|:)\\s*",
  ]) {
    const found = [...end.matchAll(new RegExp(introduction + letter, "gi"))].at(-1)?.[1];
    if (found !== undefined && /[A-Z]/.test(found)) return found;
  }
  const small = /^\**\(([a-j])\)\**\.?$/.exec(text.trim())?.[1];
  if (small !== undefined) return small.toUpperCase();
  const first = /^\**\(?([A-Z])\)?\**(?:[.,:)]|\s*$)/.exec(text.trim())?.[1];
  if (first !== undefined) return first;
  return (
    [...end.matchAll(/(?:^|\s)\**\(?([B-HJ-Z]|A(?=[.,:)]|\s*$))\)?\**(?=[.,:\s]|$)/g)].at(-1)?.[1] ?? null
  );
}
