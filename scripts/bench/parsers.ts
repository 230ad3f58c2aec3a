/**
 * How fast the tool-call parsers read on this machine: MB/s over realistic completions (thinking's length of prose, two
 * calls), over one long text without calls, and streamed in pieces of a token's size. Measures of the same run to
 * compare with: one `indexOf` of an absent marker, and `JSON.parse`. Run: npx node scripts/bench/parsers.ts [name…]
 */
import { parsers } from "../../parsers/index.ts";
import type { ToolSchema } from "../../src/contracts/chat.ts";

const wanted = process.argv.slice(2);
const chosen = parsers.filter(({ name }) => wanted.length === 0 || wanted.includes(name));
const prose =
  "The user wants the weather of three cities; I compare 12, 14.5 and 9 degrees (it's colder at night). ";
const minMs = 150;

const args = {
  city: "Paris",
  country: "Île-de-France",
  days: 3,
  units: "metric",
  query: 'temperature and "wind"\nper day',
};
const tools: ToolSchema[] = ["get_weather", "search_web"].map((name) => ({
  type: "function",
  function: {
    name,
    description: "",
    parameters: {
      type: "object",
      properties: {
        city: { type: "string" },
        country: { type: "string" },
        days: { type: "integer" },
        units: { type: "string" },
        query: { type: "string" },
      },
    },
  },
}));
const completion = {
  content: prose.repeat(8),
  toolCalls: tools.map((tool) => ({ name: tool.function.name, arguments: JSON.stringify(args) })),
};

/** MB of text, a character counted as a byte, in a second of processor time: other work on the machine slows it little. */
function rate(characters: number, work: () => void): number {
  work();
  const before = process.cpuUsage();
  let turns = 0;
  let spentMs = 0;
  while (spentMs < minMs) {
    work();
    turns++;
    spentMs = process.cpuUsage(before).user / 1000;
  }
  return (characters * turns) / 1e6 / (spentMs / 1000);
}

// A rope is flattened by its first reader; that is not the parsers' work.
const flat = (text: string) => Buffer.from(text).toString();
const long = flat(prose.repeat(Math.ceil(4e6 / prose.length)));
const json = JSON.stringify(Array.from({ length: 4000 }, () => args));

let slowest = { name: "", rate: Number.POSITIVE_INFINITY };
const show = (name: string, cells: readonly (number | string)[]) =>
  console.log(
    name.padEnd(18) +
      cells.map((cell) => (typeof cell === "number" ? cell.toFixed(0) : cell).padStart(14)).join(""),
  );

show("MB/s", ["calls", "strict", "long text", "strict", "streamed"]);
show("indexOf", ["", "", rate(long.length, () => void long.indexOf("\u0000")), "", ""]);
show("JSON.parse", [rate(json.length, () => void JSON.parse(json)), "", "", "", ""]);
for (const parser of chosen) {
  const text = flat(parser.format(completion));
  const pieces = long.slice(0, 400_000).match(/[\s\S]{1,4}/g) ?? [];
  const calls = rate(text.length, () => void parser.parse(text, { tools }));
  const strict = rate(text.length, () => void parser.parse(text, { tools, mode: "strict" }));
  const plain = rate(long.length, () => void parser.parse(long, { tools }));
  const plainStrict = rate(long.length, () => void parser.parse(long, { tools, mode: "strict" }));
  const streamed = rate(400_000, () => {
    const stream = parser.createStream({ tools });
    for (const piece of pieces) stream.push(piece);
    stream.end();
  });
  show(parser.name, [calls, strict, plain, plainStrict, streamed]);
  if (plain < slowest.rate) slowest = { name: parser.name, rate: plain };
}
console.log(`slowest on long text without calls: ${slowest.name}, ${slowest.rate.toFixed(0)} MB/s`);
