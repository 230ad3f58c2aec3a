/** The numbers of an evaluation as people read them: a line for each thing, the interval beside its mean. */
import { padText } from "./text-width.ts";

type Metrics = Readonly<Record<string, number>>;

/** Pairs of label and text; what has no line of its own comes last, under its own name. */
export function evaluationRows(metrics: Metrics): [string, string][] {
  const left = new Map(Object.entries(metrics));
  const take = (name: string): number | undefined => {
    const value = left.get(name);
    left.delete(name);
    return value;
  };
  const rows: [string, string][] = [];
  const rate = (label: string, name: string, more = "") => {
    const mean = take(name);
    const [low, high] = [take(`${name}_low`), take(`${name}_high`)];
    take(`${name}_stderr`);
    if (mean !== undefined) rows.push([label, `${mean.toFixed(4)}${interval(low, high)}${more}`]);
  };

  const items = take("eval/items");
  const without = take("eval/items_without_score") ?? 0;
  const perItem = take("eval/samples_per_item") ?? 1;
  const coverage = without > 0 && items !== undefined ? `  of ${items - without} of ${items} items` : "";
  // They are the accuracy again.
  const isPassOne = left.has("eval/pass@1");
  rate("accuracy", "eval/accuracy", `${isPassOne ? "  = pass@1 = pass^1" : ""}${coverage}`);
  rate("reward", "eval/mean_reward", coverage);
  for (const name of ["eval/pass@1", "eval/pass^1"]) {
    for (const part of ["", "_stderr", "_low", "_high"]) take(`${name}${part}`);
  }
  take("eval/pass@1_items");
  const rates = [...left.keys()].flatMap(
    (name) => /^eval\/pass([@^])(\d+)$/.exec(name)?.slice(1, 3).join("") ?? [],
  );
  for (const sign of ["@", "^"]) {
    for (const pass of rates.filter((each) => each.startsWith(sign))) {
      const enough = left.get(`eval/pass@${pass.slice(1)}_items`) ?? items ?? 0;
      rate(
        `pass${pass}`,
        `eval/pass${pass}`,
        enough < (items ?? 0) ? `  of ${enough} of ${items} items` : "",
      );
    }
  }
  for (const pass of rates) take(`eval/pass@${pass.slice(1)}_items`);
  if (items !== undefined) {
    const lines = sampleLines({ items, perItem, without, take });
    rows.push(...lines.map((line, index): [string, string] => [index === 0 ? "samples" : "", line]));
  }
  rows.push(...categoryRows(left, take));
  const turns = take("eval/mean_turns");
  if (turns !== undefined) rows.push(["turns", `${Number(turns.toFixed(2))} a sample`]);
  const tokens = tokensText(take);
  if (tokens !== "") rows.push(["tokens", tokens]);
  const times = timesText(take);
  if (times !== "") rows.push(["time", times]);
  for (const [name, value] of left) rows.push([name.replace(/^eval\//, ""), number(value)]);
  return rows;
}

type Take = (name: string) => number | undefined;

function sampleLines({
  items,
  perItem,
  without,
  take,
}: {
  items: number;
  perItem: number;
  without: number;
  take: Take;
}): string[] {
  const scored = take("eval/scored") ?? 0;
  const parts = [`${scored} scored of ${items}${perItem > 1 ? ` items × ${perItem}` : ""}`];
  const failed = take("eval/infra_failed") ?? 0;
  if (failed > 0) parts.push(`${failed} failed for no fault of the model, in no mean`);
  const cancelled = take("eval/cancelled") ?? 0;
  if (cancelled > 0) parts.push(`${cancelled} out of time, in no mean`);
  const missing = take("eval/not_played") ?? 0;
  if (missing > 0) parts.push(`${missing} not played`);
  if (without > 0) parts.push(`${without} ${without === 1 ? "item has" : "items have"} no score`);
  return parts;
}

function categoryRows(left: ReadonlyMap<string, number>, take: Take): [string, string][] {
  const prefix = "eval/category/";
  const names = [...left.keys()].flatMap((key) =>
    key.startsWith(prefix) && key.endsWith("/items") ? [key.slice(prefix.length, -"/items".length)] : [],
  );
  const width = Math.min(24, Math.max(...names.map((name) => name.length)));
  return names.map((name, index) => {
    const of = (key: string) => take(`${prefix}${name}/${key}`);
    const [accuracy, low, high] = [of("accuracy"), of("accuracy_low"), of("accuracy_high")];
    const reward = of("mean_reward");
    for (const key of ["accuracy_stderr", "mean_reward_stderr", "mean_reward_low", "mean_reward_high"])
      of(key);
    const [items, without] = [of("items"), of("without_score") ?? 0];
    const scores =
      accuracy === undefined
        ? "no score"
        : `${accuracy.toFixed(4)}${interval(low, high)}${reward === accuracy ? "" : `  reward ${(reward ?? 0).toFixed(4)}`}`;
    return [
      index === 0 ? "category" : "",
      `${padText(name, width)}  ${scores}  ${items} ${items === 1 ? "item" : "items"}${without > 0 ? `, ${without} ${without === 1 ? "sample" : "samples"} without score` : ""}`,
    ];
  });
}

function tokensText(take: Take): string {
  const [prompt, completion] = [take("eval/prompt_tokens"), take("eval/completion_tokens")];
  const [untold, cost] = [take("eval/answers_without_usage"), take("eval/cost")];
  if (prompt === undefined || completion === undefined) return "";
  return [
    `${prompt.toLocaleString("en")} in, ${completion.toLocaleString("en")} out`,
    ...(cost === undefined ? [] : [`cost ${cost < 1 ? cost.toPrecision(3) : cost.toFixed(2)}`]),
    ...(untold === undefined ? [] : [`${untold} answers told no usage`]),
  ].join("; ");
}

function timesText(take: Take): string {
  const total = take("eval/duration_seconds");
  const parts = (["model", "tool", "sandbox", "reward"] as const).map((part) => ({
    part,
    seconds: take(`eval/${part}_seconds`) ?? 0,
  }));
  if (total === undefined) return "";
  const shares = parts.map(
    ({ part, seconds }) => `${part} ${Math.round((100 * seconds) / Math.max(total, 1e-9))} %`,
  );
  return `${total < 10 ? total.toFixed(2) : total.toFixed(1)} s a sample: ${shares.join(", ")}`;
}

function interval(low: number | undefined, high: number | undefined): string {
  return low === undefined || high === undefined ? "" : `  (95 %: ${low.toFixed(4)} to ${high.toFixed(4)})`;
}

function number(value: number): string {
  return Number.isInteger(value) ? String(value) : value.toFixed(4);
}
