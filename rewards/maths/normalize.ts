/**
 * Brings a piece of maths, LaTeX or plain, to the few spellings that the tokenizer knows: unicode signs
 * become LaTeX commands, layout is taken away, doubled backslashes are halved.
 */

const signs: Record<string, string> = {
  "−": "-",
  "–": "-",
  "—": "-",
  "‐": "-",
  "‑": "-",
  "×": "\\times ",
  "·": "\\cdot ",
  "⋅": "\\cdot ",
  "∗": "*",
  "∙": "\\cdot ",
  "÷": "/",
  "∕": "/",
  "⁄": "/",
  "√": "\\sqrt ",
  "∛": "\\sqrt[3]",
  π: "\\pi ",
  "∞": "\\infty ",
  "≤": "\\le ",
  "≥": "\\ge ",
  "⩽": "\\le ",
  "⩾": "\\ge ",
  "≠": "\\ne ",
  "≈": "\\approx ",
  "≅": "\\approx ",
  "∪": "\\cup ",
  "∩": "\\cap ",
  "∈": "\\in ",
  "∉": "\\notin ",
  "∅": "\\emptyset ",
  "°": "^\\circ ",
  "±": "\\pm ",
  "∓": "\\mp ",
  "½": "\\frac{1}{2}",
  "⅓": "\\frac{1}{3}",
  "⅔": "\\frac{2}{3}",
  "¼": "\\frac{1}{4}",
  "¾": "\\frac{3}{4}",
  "⅕": "\\frac{1}{5}",
  "⅖": "\\frac{2}{5}",
  "⅗": "\\frac{3}{5}",
  "⅘": "\\frac{4}{5}",
  "⅙": "\\frac{1}{6}",
  "⅚": "\\frac{5}{6}",
  "⅛": "\\frac{1}{8}",
  "⅜": "\\frac{3}{8}",
  "⅝": "\\frac{5}{8}",
  "⅞": "\\frac{7}{8}",
  ℝ: "\\mathbb{R}",
  ℤ: "\\mathbb{Z}",
  ℕ: "\\mathbb{N}",
  ℚ: "\\mathbb{Q}",
  ℂ: "\\mathbb{C}",
  "…": "\\ldots ",
  "→": "\\to ",
  "≡": "\\equiv ",
  "∖": "\\setminus ",
  "′": "'",
  "’": "'",
  "⟨": "\\langle ",
  "⟩": "\\rangle ",
  "％": "%",
  α: "\\alpha ",
  β: "\\beta ",
  γ: "\\gamma ",
  δ: "\\delta ",
  θ: "\\theta ",
  λ: "\\lambda ",
  μ: "\\mu ",
  σ: "\\sigma ",
  φ: "\\phi ",
  ω: "\\omega ",
  "∑": "\\sum ",
  "∏": "\\prod ",
  "∫": "\\int ",
  "⌊": "\\lfloor ",
  "⌋": "\\rfloor ",
  "⌈": "\\lceil ",
  "⌉": "\\rceil ",
  "∧": "\\land ",
  "∨": "\\lor ",
};
const superscripts = "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾ⁿⁱ";
const plainSuperscripts = "0123456789+-=()ni";
const subscripts = "₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎";
const plainSubscripts = "0123456789+-=()";

/** Stands between the groups of digits where the separator can only be one of thousands: `16{,}386`. */
export const thousandsMark = "\uE000";

/** Stands for the two backslashes that end a row. */
export const rowMark = "\uE002";

export function normalizeMaths(text: string): string {
  let result = text.replace(
    /[⁰¹²³⁴-⁾ⁿⁱ]+/g,
    (run) => `^{${translate(run, superscripts, plainSuperscripts)}}`,
  );
  result = result.replace(/[₀-₎]+/g, (run) => `_{${translate(run, subscripts, plainSubscripts)}}`);
  result = result.replace(/[^\p{ASCII}]/gu, (sign) => signs[sign] ?? sign);
  if (/[^\p{ASCII}]/u.test(result)) result = result.normalize("NFKC");
  result = withPrefixFractions(halveBackslashes(result))
    .replace(/\\\\/g, rowMark)
    .replace(/\uE002\s*\[-?[\d.]+\s*(?:pt|em|ex|mm|cm)\]/g, rowMark);
  return result
    .replace(
      /\\(?:left|right|bigl|bigr|Bigl|Bigr|biggl|biggr|Biggl|Biggr|big|Big|bigg|Bigg|middle)(?![A-Za-z])\s*\.?/g,
      (layout) => (layout.startsWith("\\left") ? "\\open " : layout.startsWith("\\right") ? "\\close " : ""),
    )
    .replace(/\\open (\s*)\|/g, "$1\\lvert ")
    .replace(/\\close (\s*)\|/g, "$1\\rvert ")
    .replace(/\\(?:open|close) /g, "")
    .replace(
      /\\(?:(?:displaystyle|textstyle|limits|nolimits|tiny|small|large|Large|bf|rm|it)(?![A-Za-z])|[,;:!>@])/g,
      spacing,
    )
    .replace(/\\(?:text)?color\s*\{\s*[A-Za-z]{1,20}\s*\}/g, " ")
    .replace(/(\d)\s*\{\s*,\s*\}\s*(?=\d)/g, `$1${thousandsMark}`)
    .replace(/(\d),\uE001\s*(?=\d{3})/g, `$1${thousandsMark}`)
    .replace(/(\d)\uE001(?=\d{3}(?!\d))/g, `$1${thousandsMark}`)
    .replace(/\uE001/g, " ")
    .replace(/\\(?:quad|qquad|hspace\{[^{}]*\}|phantom\{[^{}]*\}|nonumber|hfill|hline)(?![A-Za-z])/g, " ")
    .replace(/\\[ ~\n\t]/g, " ")
    .replace(/~/g, " ")
    .replace(/\\([$€£])/g, " ")
    .replace(/[$€£¥₹₽]/g, " ")
    .replace(/(\d)\s*\^\s*\{\s*\\(?:text|mathrm|textrm)\s*\{\s*(?:st|nd|rd|th)\s*\}\s*\}/g, "$1")
    .replace(/\\mathrm\s*\{\s*d\s*\}/g, "d ")
    .replace(/(\\(?:to|rightarrow)\s*[^{}^\s]{1,20}\s*)\^\s*(?:\{\s*[+-]\s*\}|[+-])(?=\s*\})/g, "$1")
    .replace(/(\d)\s{0,3}[xX]\s{0,3}(?=10\s?\^)/g, "$1*")
    .replace(/\\%/g, "%")
    .replace(/\\&/g, " \\and ");
}

/** `{1 \over 2}` and `{5 \choose 2}` as `\frac{1}{2}` and `\binom{5}{2}`; of nested ones the innermost first. */
function withPrefixFractions(text: string): string {
  let result = text;
  for (let round = 0; round < 5 && /\\(?:over|choose)(?![A-Za-z])/.test(result); round++) {
    result = result.replace(
      /\{([^{}]{1,200}|(?:[^{}]|\{[^{}]{0,100}\}){1,200}?)\\(over|choose)(?![A-Za-z])((?:[^{}]|\{[^{}]{0,100}\}){1,200}?)\}/,
      (_match, top: string, name: string, bottom: string) =>
        `\\${name === "over" ? "frac" : "binom"}{${top}}{${bottom}}`,
    );
  }
  return result.replace(
    /^([^{}\\]{1,100})\\(over|choose)(?![A-Za-z])([^{}\\]{1,100})$/,
    (_match, top: string, name: string, bottom: string) =>
      `\\${name === "over" ? "frac" : "binom"}{${top}}{${bottom}}`,
  );
}

function spacing(command: string): string {
  return /^\\[,;:!>]$/.test(command) ? "\uE001" : " ";
}

function translate(run: string, from: string, to: string): string {
  return [...run].map((sign) => to[from.indexOf(sign)] ?? "").join("");
}

/** `\\frac` is an escaped `\frac`; in a matrix two backslashes end a row. */
function halveBackslashes(text: string): string {
  if (!text.includes("\\\\")) return text;
  if (/(?<!\\)\\\\begin\s*\{/.test(text)) return text.replace(/\\\\/g, "\\");
  if (/\\begin\s*\{/.test(text)) return text;
  return text.replace(/\\\\(?=[A-Za-z]{2}|[{}()[\],!;$%|])/g, "\\").replace(/\\\\/g, " ");
}
