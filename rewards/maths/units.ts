/** Takes units and currencies away that stand as bare words behind a number: `5 cm^2`, `18 dollars`. */

const units =
  "(?:square |cubic |sq\\.? ?|cu\\.? ?)?(?:centimet(?:er|re)s?|millimet(?:er|re)s?|kilomet(?:er|re)s?|met(?:er|re)s?|decimet(?:er|re)s?|inch(?:es)?|feet|foot|yards?|miles?|" +
  "cm|mm|km|dm|nm|ft|yd|mi|mph|kph|km\\/h|kmh|m\\/s|kg|mg|lbs?|oz|grams?|kilograms?|pounds?|ounces?|tons?|tonnes?|lit(?:er|re)s?|millilit(?:er|re)s?|gallons?|quarts?|pints?|cups?|mL|ml|" +
  "seconds?|secs?|minutes?|mins?|hours?|hrs?|days?|weeks?|months?|years?|degrees?|deg|radians?|rad|dollars?|cents?|usd|USD|euros?|EUR|GBP|yuan|yen|rupees?|rs|pesos?|" +
  "units?|points?|people|persons?|students?|books?|apples?|items?|ways?|times|hz|Hz|kHz|joules?|watts?|newtons?|volts?|ohms?|amps?|p\\.?m\\.?|a\\.?m\\.?|m|g|s|h|J|N|W|V|K|L)" +
  "(?:\\s*\\^\\s*\\{?\\s*-?[123]\\s*\\}?)?";
/** `\mathrm{m/s^2}`, `\text{km} / \text{h}`: units between braces, of which none is a variable. */
const oneUnit =
  "(?:mm|cm|dm|km|nm|m|mg|kg|g|ms|s|sec|min|hr?|Hz|N|J|W|V|K|A|C|F|L|mL|ml|mol|Pa|ft|in|mi|yd|lb|oz)";
const unitPower = "\\s*(?:\\^\\s*(?:\\{\\s*-?[1-4]\\s*\\}|-?[1-4]))?";
const poweredUnit = `${oneUnit}${unitPower}`;
const unitJoint = "\\s*(?:/|\\\\cdot|\\*)?\\s*";
const unitBox = `\\\\(?:mathrm|text|textrm|mathit|operatorname|mbox)\\s*\\{\\s*${poweredUnit}(?:${unitJoint}${poweredUnit}){0,3}\\s*\\}${unitPower}`;
const boxedUnits = new RegExp(
  `([\\d}).]|\\\\circ)\\s*${unitBox}(?:\\s*(?:/|\\\\cdot)?\\s*${unitBox}){0,2}\\s*[.,]?\\s*$`,
);
/** `30 km/s`, `9.8 m/s^2`: bare, a quotient of units only behind a plain number. */
const quotientUnits = new RegExp(
  `^(\\s*[-+]?[\\d.,]+(?:\\s*(?:\\\\times|\\*)\\s*10\\s*\\^\\s*(?:\\{\\s*-?\\d+\\s*\\}|-?\\d+))?)\\s+${poweredUnit}\\s*/\\s*${poweredUnit}\\s*[.,]?\\s*$`,
);

const longUnits = new RegExp(`([\\d}).%]|\\\\pi(?![A-Za-z]))\\s*(?:${units})\\s*[.,]?\\s*$`);
const percents = /(\d\}?|\))\s*(?:percentage points?|percentage|percent|pct)(?![A-Za-z])/gi;

/**
 * Short units (`m`, `g`) count as units only behind a space, since `5m` may be a product, and where no other
 * letter makes variables likely: `\pi r^2 h`.
 */
export function stripUnits(maths: string): string {
  const percented = maths.replace(percents, "$1%");
  if (percented.length > 400) return percented;
  const text = percented.replace(boxedUnits, "$1").replace(quotientUnits, "$1");
  const match = longUnits.exec(text);
  if (match === null) return text;
  const [whole, front = ""] = match;
  const unit = whole.slice(front.length);
  const isShort = /^\s*[a-zA-Z](?:\s*\^|\s*[.,]?\s*$)/.test(unit);
  const rest = text.slice(0, match.index + front.length);
  return isShort && (!/^\s/.test(unit) || hasVariables(rest)) ? text : rest;
}

/** Whether a letter that is no part of a command stands in the last side of an equation. */
function hasVariables(maths: string): boolean {
  return /[A-Za-z]/.test((maths.split("=").at(-1) ?? "").replace(/\\[A-Za-z]+/g, ""));
}
