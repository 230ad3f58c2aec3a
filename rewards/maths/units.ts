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
const poweredUnit = `${oneUnit}\\s*(?:\\^\\s*\\{?\\s*-?[1-4]\\s*\\}?)?`;
const unitBox = `\\\\(?:mathrm|text|textrm|mathit|operatorname|mbox)\\s*\\{\\s*${poweredUnit}(?:\\s*(?:/|\\\\cdot)\\s*${poweredUnit})?\\s*\\}\\s*(?:\\^\\s*\\{?\\s*-?[1-4]\\s*\\}?)?`;
const boxedUnits = new RegExp(
  `([\\d}).]|\\\\circ)\\s*${unitBox}(?:\\s*(?:/|\\\\cdot)?\\s*${unitBox}){0,2}\\s*[.,]?\\s*$`,
);

const longUnits = new RegExp(`([\\d}).%])\\s*(?:${units})\\s*[.,]?\\s*$`);
const percents = /(\d\}?|\))\s*(?:percentage points?|percentage|percent|pct)(?![A-Za-z])/gi;

/** Short units (`m`, `g`) count as units only behind a space: `5 m`, since `5m` may be a product. */
export function stripUnits(maths: string): string {
  const percented = maths.replace(percents, "$1%");
  if (percented.length > 400) return percented;
  const text = percented.replace(boxedUnits, "$1");
  const match = longUnits.exec(text);
  if (match === null) return text;
  const unit = match[0].slice(1);
  const isShort = /^\s*[a-zA-Z](?:\s*\^|\s*[.,]?\s*$)/.test(unit);
  return isShort && !/^\s/.test(unit) ? text : text.slice(0, match.index + 1);
}
