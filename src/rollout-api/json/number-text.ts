/**
 * How numbers are written: as Python's json module would, so that a value keeps its type on the way through.
 * Integers keep all their digits. Floats always have a fraction or an exponent.
 */

/** The text of a JSON integer; only "-0" changes. */
export function integerText(lexeme: string): string {
  return lexeme === "-0" ? "0" : lexeme;
}

/** Significant digits that a decimal may have and be kept as it is: the most that a shortest text needs. */
const MOST_DIGITS_KEPT = 17;

/** The text of a JSON number (integer or not) where a float stands. The number must be finite. */
export function floatText(lexeme: string): string {
  if (/^-?\d{1,15}$/.test(lexeme)) return `${integerText(lexeme)}.0`;
  return isPlainDecimal(lexeme) ? lexeme : pythonFloat(Number(lexeme));
}

/** True when Python would (but for surplus digits) write the decimal just so: no exponent due, no idle zeros. */
function isPlainDecimal(lexeme: string): boolean {
  const match = /^-?(\d+)\.(\d+)$/.exec(lexeme);
  if (match === null) return false;
  const [, whole = "", fraction = ""] = match;
  if (fraction.endsWith("0") && fraction !== "0") return false;
  if (whole !== "0") return whole.length + fraction.length <= MOST_DIGITS_KEPT;
  const significant = fraction.replace(/^0+/, "").length;
  return fraction.length - significant < 4 && significant <= MOST_DIGITS_KEPT;
}

/** A finite double as Python's repr writes it: 1.0, 0.25, 1e-07, 1e+16, 1.5e+300, -0.0. */
export function pythonFloat(value: number): string {
  if (value === 0) return Object.is(value, -0) ? "-0.0" : "0.0";
  const [mantissa = "", exponentText = "0"] = Math.abs(value).toExponential().split("e");
  const sign = value < 0 ? "-" : "";
  const exponent = Number(exponentText);
  const digits = mantissa.replace(".", "");
  if (exponent < -4 || exponent >= 16) {
    const padded = String(Math.abs(exponent)).padStart(2, "0");
    return `${sign}${mantissa}e${exponent < 0 ? "-" : "+"}${padded}`;
  }
  if (exponent < 0) return `${sign}0.${"0".repeat(-exponent - 1)}${digits}`;
  const whole = digits.slice(0, exponent + 1).padEnd(exponent + 1, "0");
  return `${sign}${whole}.${digits.slice(exponent + 1) || "0"}`;
}
