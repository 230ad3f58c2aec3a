/**
 * Turns the LaTeX and typography that models put around numbers into plain characters: `\frac{3}{4}` into
 * `3/4`, `1{,}234` into `1,234`, the unicode minus into `-`. Only what bears on numbers is kept; functions
 * (`\sqrt`, `\pi`, ...) stay as words, so that their arguments aren't taken for answers.
 *
 * Each step is one pass without nested quantifiers: the time is linear in the text.
 */

const superscripts = "⁰¹²³⁴⁵⁶⁷⁸⁹";
const vulgarFractions: Readonly<Record<string, string>> = {
  "¼": "1/4",
  "½": "1/2",
  "¾": "3/4",
  "⅓": "1/3",
  "⅔": "2/3",
  "⅕": "1/5",
  "⅖": "2/5",
  "⅗": "3/5",
  "⅘": "4/5",
  "⅙": "1/6",
  "⅚": "5/6",
  "⅛": "1/8",
  "⅜": "3/8",
  "⅝": "5/8",
  "⅞": "7/8",
};

export function plainMaths(text: string): string {
  return resolveLatex(plainTypography(text));
}

function plainTypography(text: string): string {
  return text
    .replace(/[\u2010\u2011\u2012\u2013\u2212\uFE63\uFF0D]/g, "-")
    .replace(/[\u00A0\u2007\u2009\u202F]/g, " ")
    .replace(/\u2044/g, "/")
    .replace(/(\d?)([¼½¾⅓⅔⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞])/g, (_match, digit: string, fraction: string) =>
      digit === "" ? `${vulgarFractions[fraction]}` : `${digit} ${vulgarFractions[fraction]}`,
    )
    .replace(/[⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+/g, (run) => `^${[...run].map(plainSuperscript).join("")}`);
}

function plainSuperscript(character: string): string {
  return character === "⁻" ? "-" : String(superscripts.indexOf(character));
}

function resolveLatex(text: string): string {
  if (!/[\\{}~]/.test(text)) return text;
  return (
    text
      .replaceAll("{,}", ",")
      .replaceAll("\\!", "")
      // A thin space between digits groups thousands; elsewhere it is a space.
      .replace(/(?<=\d)(?:\\[,;: ]|~)(?=\d{3}(?!\d))/g, ",")
      .replace(/\\[,;: \\()[\]]|~/g, " ")
      .replace(/\\([$%#&_])/g, "$1")
      .replace(/\^\s?\{?\\(?:circ|degree)\}?/g, " ")
      .replace(
        /\\(?:text|textbf|textit|textrm|mathrm|mathbf|mathit|mathsf|mbox|bm|boldsymbol)\s?\{([^{}]*)\}/g,
        "$1",
      )
      .replace(
        /(\d?)\s?\\[dtc]?frac\s?(?:\{([^{}]*)\}|(\d))\s?(?:\{([^{}]*)\}|(\d))/g,
        (_match, before: string, top = "", topDigit = "", bottom = "", bottomDigit = "") =>
          `${before}${before === "" ? "" : " "}${top}${topDigit}/${bottom}${bottomDigit}`,
      )
      .replace(/\\(?:times|cdot|ast)(?![A-Za-z])/g, "*")
      .replace(/\\(?:approx|simeq|equiv)(?![A-Za-z])/g, "=")
      .replace(/\\([A-Za-z]+)/g, (_match, name: string) => (isFunction(name) ? name : " "))
      .replace(/[{}\\]/g, "")
  );
}

function isFunction(name: string): boolean {
  return /^(?:sqrt|pi|log|ln|exp|sin|cos|tan|binom|[dtc]?frac|sum|prod|infty)$/.test(name);
}
