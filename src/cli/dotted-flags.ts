/**
 * Splits what commander leaves over after `<env>` into dotted flags: `--env.x 1`, `--env.x=1`, `--env.x`,
 * `--no-env.x`, `--openai.x`, `--openai.0.x`. Only a value that starts with `--` is not taken as one, so that
 * `--env.total_steps -1` reads as it looks. What the texts mean is decided later, by the schema.
 */

import { nearestName } from "../contracts/closest-names.ts";
import { LachesisError } from "../contracts/errors.ts";

export const configSections = ["env", "openai"] as const;
export type ConfigSection = (typeof configSections)[number];

export type DottedFlag = {
  section: ConfigSection;
  /** Keys below the section, at least one. */
  path: [string, ...string[]];
  /** Undefined for a flag without a value. */
  text: string | undefined;
  /** True for `--no-…`. */
  negated: boolean;
  /** The flag as the user wrote it, for messages. */
  name: string;
};

export type SplitArguments = { positionals: string[]; flags: DottedFlag[] };

/**
 * Throws USAGE_INVALID for an option that is neither dotted nor known. `plainOptions` are the long options
 * that commander has handled already; they serve the suggestions.
 */
export function splitArguments(argv: readonly string[], plainOptions: readonly string[]): SplitArguments {
  const positionals: string[] = [];
  const flags: DottedFlag[] = [];
  for (let index = 0; index < argv.length; index++) {
    const token = argv[index] ?? "";
    if (!token.startsWith("-") || token === "-") {
      positionals.push(token);
      continue;
    }
    const flag = readDottedFlag(token);
    if (flag === undefined) throw unknownOption(token, plainOptions);
    const next = argv[index + 1];
    if (flag.text === undefined && !flag.negated && next !== undefined && !next.startsWith("--")) {
      flag.text = next;
      index += 1;
    }
    flags.push(flag);
  }
  return { positionals, flags };
}

function readDottedFlag(token: string): DottedFlag | undefined {
  const match = /^--(?<negation>no-)?(?<section>[a-z]+)\.(?<path>[^=]+)(?:=(?<text>[\s\S]*))?$/.exec(token);
  const section = configSections.find((name) => name === match?.groups?.section);
  if (match?.groups === undefined || section === undefined) return undefined;
  const { negation, path = "", text } = match.groups;
  const [first, ...rest] = path.split(".");
  if (first === undefined || [first, ...rest].some((key) => key === "")) return undefined;
  const name = token.slice(0, text === undefined ? undefined : token.indexOf("="));
  return { section, path: [first, ...rest], text, negated: negation !== undefined, name };
}

function unknownOption(token: string, plainOptions: readonly string[]): LachesisError {
  const name = token.split("=", 1)[0] ?? token;
  const nearest = nearestName(name, plainOptions);
  const dotted = /^--(no-)?[\w-]+$/.test(name)
    ? `--env.${name.replace(/^--(no-)?/, "").replaceAll("-", "_")}`
    : "";
  const isSection = configSections.some((section) => name === `--${section}`);
  const suggestion = isSection || nearest === undefined ? "" : `Did you mean ${nearest}? `;
  const example = isSection || nearest !== undefined || dotted === "" ? "" : ` (here ${dotted})`;
  return new LachesisError("USAGE_INVALID", `Unknown option ${name}.`, {
    hint: `${suggestion}Configuration keys are written --env.<key>${example} or --openai.<key>.`,
  });
}
