/** Arbitrary JSON as clients may spell it: white space, escapes, every form of number. */
import fc from "fast-check";

const space = fc.constantFrom("", "", "", " ", "\n", "\t ");
const padded = (text: fc.Arbitrary<string>) => fc.tuple(space, text, space).map((parts) => parts.join(""));

export const integerLexeme = fc.oneof(
  fc.integer({ min: -200_000, max: 200_000 }).map(String),
  fc.bigInt({ min: -(10n ** 30n), max: 10n ** 30n }).map(String),
  fc.constantFrom("0", "-0", "7"),
);
export const floatLexeme = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => JSON.stringify(value)),
  fc.tuple(fc.integer({ min: -999, max: 999 }), fc.stringMatching(/^\d{1,19}$/)).map(([a, b]) => `${a}.${b}`),
  fc
    .tuple(fc.stringMatching(/^-?[1-9](\.\d{1,4})?$/), fc.integer({ min: -30, max: 30 }))
    .map(([a, b]) => `${a}e${b}`),
  fc.constantFrom("0.0", "-0.0", "1.0", "0.50", "1E5", "2e+3", "0.00001"),
);
export const numberLexeme = fc.oneof(integerLexeme, floatLexeme);

/** A string in quotes: as JSON.stringify has it, as ASCII only, or with needless escapes. */
export const stringLexeme = fc
  .tuple(fc.string({ unit: "grapheme", maxLength: 12 }), fc.constantFrom("plain", "ascii", "slashes"))
  .map(([value, form]) => {
    const text = JSON.stringify(value);
    if (form === "slashes") return text.replaceAll("/", "\\/");
    if (form === "plain") return text;
    return text.replace(/[^ -~]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
  });

export function listOf(item: fc.Arbitrary<string>, maxLength = 4): fc.Arbitrary<string> {
  return fc.array(padded(item), { maxLength }).map((items) => `[${items.join(",")}]`);
}

export function objectOf(value: fc.Arbitrary<string>): fc.Arbitrary<string> {
  return fc
    .uniqueArray(fc.tuple(stringLexeme, padded(value)), {
      maxLength: 4,
      selector: ([key]) => JSON.parse(key),
    })
    .map((entries) => `{${entries.map(([key, text]) => `${key} :${text}`).join(",")}}`);
}

export const jsonText: fc.Arbitrary<string> = fc.letrec<{ value: string }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    numberLexeme,
    stringLexeme,
    fc.constantFrom("null", "true", "false"),
    listOf(tie("value")),
    objectOf(tie("value")),
  ),
})).value;
