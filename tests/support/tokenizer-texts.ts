/** Texts that tokenizers stumble over, made from a seed: the same ones on every run. */

const alphabets: readonly string[] = [
  "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ",
  "0123456789",
  " \t\n\r",
  "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~",
  "éèñüßøłčžğıİſﬁ",
  "一二三中文字漢語日本語テスト龥龦한국어ㄱ",
  "\u0301\u0300\u0323\u0308\u20dd\ufe0f\u200d\u0e31",
  "\u0000\u0001\u0007\b\u000b\f\u001b\u001f\u007f\u0080\u0085\u009f",
  "\u00a0\u1680\u2003\u2028\u2029\u202f\u205f\u3000\ufeff\u200b\u2060",
  "العربيةעבריתفارسی\u200f\u202e",
  "०१२٠١٢²½Ⅻ①㈠𝟘𝟙",
  "€£¥₹©®™→∑∫≠…—–‘’“”«»、。！？",
  "\u{10ffff}\u{e000}\ufffd\ufffe\u{1f9ff}\u{20000}\u{16f00}",
];

const emoji = ["😀", "👩‍👩‍👧", "🏳️‍🌈", "👍🏽", "🇩🇪", "1️⃣", "❤️", "🫠"];
const contractions = ["don't", "I'LL", "we've", "it's", "'S", "x'd", "ſ's", "'ſ", "'\u017f", "K'M", "\u212a"];
const code = [
  "def f(x):\n    return x ** 2\n",
  "for (let i = 0; i < n; i++) {\n\t\tsum += a[i];\n}\n\n",
  "SELECT * FROM t WHERE a = 'b';",
  '<div class="x">\r\n  <br/>\r\n</div>',
  "https://example.org/a?b=c&d=%20#e",
  '{"name": "python", "arguments": {"code": "print(1.50)\\n"}}',
  '<tool_call>\n{"name": "f", "arguments": {}}\n</tool_call>',
  "\\boxed{\\frac{1}{2}} $x^2$",
  "x=1;y =2 ;z= 3",
  "CamelCaseIdentifier snake_case_name SCREAMING_CASE kebab-case",
];

/** Draws whole numbers below a bound. */
export type Draw = (below: number) => number;

export function seededDraw(seed: number): Draw {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

/** `addedTokens` are written into some of the texts, whole and cut. */
export function tokenizerTexts(count: number, addedTokens: readonly string[], seed = 1): string[] {
  const draw = seededDraw(seed);
  const pick = <T>(items: readonly T[]): T => {
    const item = items[draw(items.length)];
    if (item === undefined) throw new Error("nothing to pick from");
    return item;
  };
  const run = (alphabet: string, longest: number) => {
    const letters = Array.from(alphabet);
    return Array.from({ length: 1 + draw(longest) }, () => pick(letters)).join("");
  };
  const piece = (): string => {
    switch (draw(12)) {
      case 0:
        return pick(emoji);
      case 1:
        return pick(contractions);
      case 2:
        return pick(code);
      case 3:
        return pick(addedTokens);
      case 4:
        return pick(addedTokens).slice(draw(3), -1 - draw(2));
      case 5:
        return run("0123456789", draw(8) === 0 ? 200 : 12);
      case 6:
        return pick([" ", "\n", "\t", "\r\n", "=", "-", "a", "中", "\u00a0"]).repeat(
          1 + draw(draw(6) === 0 ? 90 : 6),
        );
      case 7:
        return pick([" ", "\n", "  ", "\n\n", " \n"]);
      default:
        return run(pick(alphabets), 14);
    }
  };
  return Array.from({ length: count }, (_, index) => {
    const text = Array.from({ length: 1 + draw(5) }, piece).join("");
    if (index % 7 === 0) return text.normalize("NFD");
    return index % 7 === 1 ? text.normalize("NFC") : text;
  });
}
