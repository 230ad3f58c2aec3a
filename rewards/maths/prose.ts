/** Tells sentences from maths. */

/** Whether a text holds words of a sentence, as opposed to names, functions and units. */
export function hasProse(text: string): boolean {
  const bare = text.replace(/\\[A-Za-z]+\s*\{[A-Za-z ,.']*\}/g, " ").replace(/\\[A-Za-z]+/g, " ");
  const words = bare.match(/[A-Za-z]{2,}/g) ?? [];
  return (
    words.filter((word) => !mathsWords.test(word)).length > 1 ||
    /[A-Za-z]{2,}\s+\d|:\s*\S*\s*\d[^:]*[A-Za-z]{2,}/.test(
      bare.replace(/\b(?:and|or|sqrt|sin|cos|tan|log|ln)\b/g, ""),
    )
  );
}

const mathsWords =
  /^(?:and|or|sqrt|sin|cos|tan|cot|sec|csc|log|ln|exp|pi|inf|infinity|oo|arcsin|arccos|arctan|percent|pct|percentage|gcd|lcm|[A-Z]{2}|[a-z]{2})$/;
