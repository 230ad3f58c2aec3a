/** Takes units and currencies away that stand as bare words behind a number: `5 cm^2`, `18 dollars`. */

const units =
  "(?:square |cubic |sq\\.? ?|cu\\.? ?)?(?:centimet(?:er|re)s?|millimet(?:er|re)s?|kilomet(?:er|re)s?|met(?:er|re)s?|decimet(?:er|re)s?|inch(?:es)?|feet|foot|yards?|miles?|" +
  "cm|mm|km|dm|nm|ft|yd|mi|mph|kph|km\\/h|kmh|m\\/s|kg|mg|lbs?|oz|grams?|kilograms?|pounds?|ounces?|tons?|tonnes?|lit(?:er|re)s?|millilit(?:er|re)s?|gallons?|quarts?|pints?|cups?|mL|ml|" +
  "seconds?|secs?|minutes?|mins?|hours?|hrs?|days?|weeks?|months?|years?|degrees?|deg|radians?|rad|dollars?|cents?|usd|USD|euros?|EUR|GBP|yuan|yen|rupees?|rs|pesos?|" +
  "units?|points?|people|persons?|students?|books?|apples?|items?|ways?|times|hz|Hz|kHz|joules?|watts?|newtons?|volts?|ohms?|amps?|p\\.?m\\.?|a\\.?m\\.?|m|g|s|h|J|N|W|V|K|L)" +
  "(?:\\s*\\^\\s*\\{?\\s*-?[123]\\s*\\}?)?";
const longUnits = new RegExp(`([\\d}).%])\\s*(?:${units})\\s*[.,]?\\s*$`);
const percents = /(\d\}?|\))\s*(?:percentage points?|percentage|percent|pct)(?![A-Za-z])/gi;

/** Short units (`m`, `g`) count as units only behind a space: `5 m`, since `5m` may be a product. */
export function stripUnits(maths: string): string {
  const text = maths.replace(percents, "$1%");
  if (text.length > 400) return text;
  const match = longUnits.exec(text);
  if (match === null) return text;
  const unit = match[0].slice(1);
  const isShort = /^\s*[a-zA-Z](?:\s*\^|\s*[.,]?\s*$)/.test(unit);
  return isShort && !/^\s/.test(unit) ? text : text.slice(0, match.index + 1);
}
