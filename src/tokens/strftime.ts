/** Python's `datetime.now().strftime(...)` in the C locale, for templates that tell the model the date. */

const months = "January February March April May June July August September October November December".split(
  " ",
);
const days = "Sunday Monday Tuesday Wednesday Thursday Friday Saturday".split(" ");

const two = (value: number) => String(value).padStart(2, "0");
const hour12 = (date: Date) => date.getHours() % 12 || 12;

const fields: Readonly<Record<string, (date: Date) => string>> = {
  "%": () => "%",
  A: (date) => days[date.getDay()] ?? "",
  a: (date) => (days[date.getDay()] ?? "").slice(0, 3),
  B: (date) => months[date.getMonth()] ?? "",
  b: (date) => (months[date.getMonth()] ?? "").slice(0, 3),
  d: (date) => two(date.getDate()),
  "-d": (date) => String(date.getDate()),
  e: (date) => String(date.getDate()).padStart(2, " "),
  F: (date) => `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`,
  H: (date) => two(date.getHours()),
  "-H": (date) => String(date.getHours()),
  I: (date) => two(hour12(date)),
  "-I": (date) => String(hour12(date)),
  j: (date) => String(dayOfYear(date)).padStart(3, "0"),
  M: (date) => two(date.getMinutes()),
  m: (date) => two(date.getMonth() + 1),
  "-m": (date) => String(date.getMonth() + 1),
  p: (date) => (date.getHours() < 12 ? "AM" : "PM"),
  S: (date) => two(date.getSeconds()),
  T: (date) => `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`,
  Y: (date) => String(date.getFullYear()),
  y: (date) => two(date.getFullYear() % 100),
};

/** Local time, as Python's. Fields that we don't know stay as they are written. */
export function strftime(date: Date, format: string): string {
  return format.replace(/%(-?[A-Za-z%])/g, (written, name: string) => fields[name]?.(date) ?? written);
}

function dayOfYear(date: Date): number {
  const start = new Date(date.getFullYear(), 0, 1);
  return (
    Math.round(
      (new Date(date.getFullYear(), date.getMonth(), date.getDate()).getTime() - start.getTime()) /
        86_400_000,
    ) + 1
  );
}
