/** `environment compare A B`: two evaluation directories item by item, and an exit code for CI. */
import { Command, InvalidArgumentError } from "commander";
import { LachesisError } from "../contracts/errors.ts";
import { readEvaluation, type SavedEvaluation } from "../data/evaluation-records.ts";
import { type Comparison, compareEvaluations } from "../env/evaluation/compare.ts";
import type { Interval } from "../env/evaluation/intervals.ts";
import type { CliIo } from "./cli-io.ts";
import { type Colors, makeColors } from "./colors.ts";
import { parseSeed } from "./flag-units.ts";
import { padText } from "./text-width.ts";

type CompareFlags = {
  metric: string;
  commonItems?: boolean;
  failBelow?: number;
  failDrop?: number;
  confident?: boolean;
  show: number;
  json?: boolean;
};

/** The subcommand, to be mounted. Exit code 1 where a --fail- flag says so. */
export function compareCommand({
  io,
  onExitCode,
}: {
  io: CliIo;
  onExitCode: (code: number) => void;
}): Command {
  return new Command("compare")
    .description(
      "Compare two evaluations of the same items: paired differences, their interval, what changed.",
    )
    .argument("<a>", "directory of the first evaluation, e.g. the one before")
    .argument("<b>", "directory of the second")
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void io.stdout.write(text),
      writeErr: (text) => void io.stderr.write(text),
    })
    .option(
      "--metric <name>",
      "accuracy, reward, pass@k, pass^k, turns, prompt_tokens or completion_tokens",
      "accuracy",
    )
    .option("--common-items", "compare the items that both have, instead of refusing")
    .option("--fail-below <value>", "exit code 1 where B's mean is below the value", parseNumber)
    .option(
      "--fail-drop <amount>",
      "exit code 1 where B's mean is lower than A's by more than the amount",
      parseAmount,
    )
    .option("--confident", "let --fail-drop look at the interval: fail only where all of it is such a drop")
    .option("--show <count>", "items to list that changed", parseSeed, 10)
    .option("--json", "print the result as JSON, with all items that changed")
    .action(async (a: string, b: string, flags: CompareFlags) => {
      if (flags.confident && flags.failDrop === undefined) {
        throw new LachesisError("USAGE_INVALID", "--confident says how --fail-drop is meant, and needs it.");
      }
      const [savedA, savedB] = [await requireEvaluation(a), await requireEvaluation(b)];
      const { metric, commonItems = false } = flags;
      const comparison = compareEvaluations(savedA, savedB, { metric, commonItems });
      const failures = failuresOf(comparison, flags);
      const colors = makeColors(io.environment.allowsColor && io.stdout.isTTY === true);
      io.stdout.write(
        flags.json
          ? `${JSON.stringify({ directories: [savedA.directory, savedB.directory], ...comparison, failures }, null, 2)}\n`
          : comparisonText(comparison, { a: savedA, b: savedB, show: flags.show, failures, colors }),
      );
      onExitCode(failures.length > 0 ? 1 : 0);
    });
}

/** Rejects with EVALUATION_FILE_INVALID, also where there is none. */
export async function requireEvaluation(directory: string): Promise<SavedEvaluation> {
  const saved = await readEvaluation(directory);
  if (saved !== null) return saved;
  throw new LachesisError("EVALUATION_FILE_INVALID", `${directory}: there is no evaluation.json.`, {
    hint: "Give the directory that `environment evaluate` wrote samples.jsonl to; older ones have to be made again.",
  });
}

function failuresOf({ metric, b, difference }: Comparison, flags: CompareFlags): string[] {
  const { failBelow, failDrop, confident = false } = flags;
  const { number } = formatOf(metric);
  const failures: string[] = [];
  if (failBelow !== undefined && b.mean < failBelow) {
    failures.push(`${metric} of B is ${number(b.mean)}, below ${failBelow}`);
  }
  const least = confident ? (difference.high ?? difference.mean) : difference.mean;
  if (failDrop !== undefined && -least > failDrop) {
    failures.push(
      `${metric} drops by ${confident ? "at least " : ""}${number(-least)}, more than ${failDrop}`,
    );
  }
  return failures;
}

/** What people read. */
export function comparisonText(
  { metric, a, b, difference, counts, leftOut, differing }: Comparison,
  options: {
    a: SavedEvaluation;
    b: SavedEvaluation;
    show: number;
    failures: readonly string[];
    colors: Colors;
  },
): string {
  const { show, failures, colors } = options;
  const { number, signed } = formatOf(metric);
  const rows: [string, string][] = [
    ["A", `${number(a.mean)}${intervalText(a, number)}  ${options.a.header.model}, ${options.a.directory}`],
    ["B", `${number(b.mean)}${intervalText(b, number)}  ${options.b.header.model}, ${options.b.directory}`],
    [
      "B - A",
      `${colors.bold(signed(difference.mean))}${intervalText(difference, signed)}: ${verdict(difference)}`,
    ],
    [
      "items",
      `${counts.compared} compared: ${counts.higher} higher, ${counts.lower} lower, ${counts.same} the same`,
    ],
  ];
  const { onlyInA, onlyInB, changed, withoutScore } = leftOut;
  const left = [
    ...(withoutScore > 0 ? [`${withoutScore} with too few scores`] : []),
    ...(onlyInA > 0 ? [`${onlyInA} only in A`] : []),
    ...(onlyInB > 0 ? [`${onlyInB} only in B`] : []),
    ...(changed > 0 ? [`${changed} with another content`] : []),
  ];
  if (left.length > 0) rows.push(["left out", left.join(", ")]);
  const shown = differing.slice(0, show);
  const width = Math.min(32, Math.max(0, ...shown.map(({ item_id }) => item_id.length)));
  for (const [index, item] of shown.entries()) {
    const change = `${number(item.a)} to ${number(item.b)}  (${signed(item.difference)})`;
    rows.push([index === 0 ? "changed" : "", `${padText(item.item_id, width)}  ${change}`]);
  }
  if (show > 0 && differing.length > show)
    rows.push(["", `and ${differing.length - show} more (--show, --json)`]);
  for (const failure of failures) rows.push(["failed", colors.red(failure)]);
  const lines = rows.map(([label, text]) => `  ${colors.dim(padText(label, 10))}${text}\n`);
  return `${colors.bold(metric)}, item by item\n${lines.join("")}`;
}

function verdict({ low, high }: Interval): string {
  if (low === null || high === null) return "one item tells nothing";
  if (low > 0) return "B is higher";
  return high < 0 ? "B is lower" : "no difference shown";
}

/** Shares and rewards have four decimals, so that they stand in line; turns and tokens two at most. */
function formatOf(metric: string) {
  const isCount = /^turns$|_tokens$/.test(metric);
  const number = (value: number): string => (isCount ? String(Number(value.toFixed(2))) : value.toFixed(4));
  return { number, signed: (value: number): string => `${value > 0 ? "+" : ""}${number(value)}` };
}

function intervalText({ low, high }: Interval, format: (value: number) => string): string {
  return low === null || high === null ? "" : ` (95 %: ${format(low)} to ${format(high)})`;
}

function parseAmount(text: string): number {
  const value = parseNumber(text);
  if (value >= 0) return value;
  throw new InvalidArgumentError("Expected a number from 0 on.");
}

function parseNumber(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value)) throw new InvalidArgumentError("Expected a number.");
  return value;
}
