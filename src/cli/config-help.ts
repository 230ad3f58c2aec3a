/** `--help` of an environment: every key with type, default and meaning, printed from its schema. */
import type { z } from "zod";
import type { EnvClass } from "../env/env-class.ts";
import { baseEnvConfig, hermesAgentEnvConfig } from "../env/env-config.ts";
import { terminalFieldGroups } from "../env/terminal-fields.ts";
import { toolFields } from "../env/tool-fields.ts";
import { serverConfig } from "../inference/server-config.ts";
import type { Colors } from "./colors.ts";
import type { ConfigMap } from "./config-file.ts";
import { type ConfigField, configFields } from "./config-schema.ts";

export type FieldGroup = { title: string; prefix: string; fields: ConfigField[] };

/** The keys of an environment, its own first, each with the default that a run of the verb would take. */
export function fieldGroups(envClass: EnvClass, verbDefaults: ConfigMap): FieldGroup[] {
  const base = new Set(Object.keys(baseEnvConfig.shape));
  const hermes = new Set(Object.keys(hermesAgentEnvConfig.shape));
  const fields = withDefaults(envClass.configSchema, { ...verbDefaults, ...envClass.defaults?.env });
  const own = fields.filter(({ name }) => !base.has(name) && !hermes.has(name));
  const agent = fields.filter(({ name }) => hermes.has(name) && !base.has(name));
  const groups = [
    ...terminalFieldGroups,
    { title: "Tools outside the sandbox", keys: Object.keys(toolFields) },
  ];
  const titled = groups.map(({ title, keys }) => ({
    title,
    prefix: "--env.",
    fields: agent.filter(({ name }) => keys.includes(name)),
  }));
  const inGroups = new Set(groups.flatMap(({ keys }) => keys));
  const rest = fields.filter(({ name }) => base.has(name));
  return [
    { title: `Keys of ${envClass.envName}`, prefix: "--env.", fields: own },
    {
      title: "Agent, tools and dataset",
      prefix: "--env.",
      fields: agent.filter(({ name }) => !inGroups.has(name)),
    },
    ...titled,
    { title: "Run, groups and rollout server", prefix: "--env.", fields: rest },
    {
      title: "Inference server (of several: --openai.<index>.<key>)",
      prefix: "--openai.",
      fields: withDefaults(serverConfig, envClass.defaults?.openai),
    },
  ].filter((group) => group.fields.length > 0);
}

export type ConfigHelpOptions = { verbDefaults: ConfigMap; columns: number; colors: Colors };

/** The whole text, wrapped to `columns`. */
export function configHelp(envClass: EnvClass, { verbDefaults, ...options }: ConfigHelpOptions): string {
  return groupsHelp(fieldGroups(envClass, verbDefaults), options);
}

/** The same of any keys. */
export function groupsHelp(
  groups: readonly FieldGroup[],
  { columns, colors }: Omit<ConfigHelpOptions, "verbDefaults">,
): string {
  const width = Math.max(60, Math.min(columns, 100));
  const texts = groups.map(({ title, prefix, fields }) => {
    const entries = fields.map((field) => fieldHelp(field, { prefix, width, colors }));
    return `${colors.bold(title)}\n${entries.join("\n")}`;
  });
  return texts.join("\n\n");
}

/** The keys of an inference server. */
export const serverFields = (): FieldGroup => ({
  title: "Inference server (of several: --openai.<index>.<key>)",
  prefix: "--openai.",
  fields: configFields(serverConfig),
});

function fieldHelp(
  field: ConfigField,
  { prefix, width, colors }: { prefix: string; width: number; colors: Colors },
): string {
  const state = field.required
    ? "required"
    : field.defaultText === undefined
      ? "unset"
      : `default ${field.defaultText}`;
  const head = wrapText(`${prefix}${field.name}  ${field.typeText}  (${state})`, width - 6).map(
    (line, index) => (index === 0 ? `  ${line.replace(prefix + field.name, colors.cyan)}` : `      ${line}`),
  );
  return [...head, ...wrapText(field.description, width - 6).map((line) => `      ${line}`)].join("\n");
}

function withDefaults(schema: z.ZodObject, defaults: ConfigMap | undefined): ConfigField[] {
  return configFields(schema).map((field) => {
    const value = defaults?.[field.name];
    return value === undefined ? field : { ...field, defaultText: JSON.stringify(value), required: false };
  });
}

/** Breaks a text at spaces; a word longer than the width, such as a default in JSON, behind its commas. */
export function wrapText(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(/ (?! )/).flatMap((long) => breakWord(long, width))) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word.trimStart();
    } else line = line === "" ? word : `${line} ${word}`;
  }
  if (line !== "") lines.push(line);
  return lines;
}

function breakWord(word: string, width: number): string[] {
  const comma = word.length > width ? word.lastIndexOf(",", width - 1) : -1;
  if (comma < 0) return [word];
  return [word.slice(0, comma + 1), ...breakWord(word.slice(comma + 1), width)];
}
