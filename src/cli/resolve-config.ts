/**
 * Makes one configuration out of its layers: schema defaults < the verb's < the class's < YAML file < flags.
 * Maps merge deeply (one of another `type` is another thing, and replaces), everything else is replaced. Validation happens once, on the merged value, so a default
 * that a flag overrides never counts; every problem is reported, each with the place it came from.
 *
 * `openai` is one server or a list: a list of two or more in the file replaces the class default, and then
 * `--openai.<key>` is ambiguous and refused: `--openai.<index>.<key>` says which server is meant.
 */

import { parserNames, reasoningParserNames } from "../../parsers/index.ts";
import { closestNames, nearestName } from "../contracts/closest-names.ts";
import { LachesisError } from "../contracts/errors.ts";
import type { EnvClass } from "../env/env-class.ts";
import { type ServerConfig, serverConfig } from "../inference/server-config.ts";
import { type ConfigFile, type ConfigMap, type ConfigPath, isConfigMap } from "./config-file.ts";
import { describeIssue } from "./config-problems.ts";
import { toConfigSchema } from "./config-schema.ts";
import type { ConfigSection, DottedFlag } from "./dotted-flags.ts";
import { flagsToMap } from "./flag-values.ts";

export type ResolvedConfig = {
  env: Record<string, unknown>;
  servers: ServerConfig[];
  /** Things the user should know but that stop nothing. */
  notices: string[];
};

/** What is to be configured; an EnvClass is one. */
export type Configurable = Pick<EnvClass, "envName" | "configSchema" | "defaults">;

export type ConfigSources = {
  envClass: Configurable;
  /** What the verb puts under the class's own defaults. */
  verbDefaults?: ConfigMap;
  file: ConfigFile | undefined;
  flags: readonly DottedFlag[];
  /** Used for a server whose `api_key` no layer sets. */
  openaiApiKey: string | undefined;
  /** Used when no layer sets `env.rollout_server_token`. */
  rolloutServerToken?: string | undefined;
};

const topKeys = ["env", "openai", "slurm", "testing"];

/** Throws CONFIG_INVALID, naming every problem and where it came from. */
export function resolveConfig(sources: ConfigSources): ResolvedConfig {
  const { envClass, verbDefaults = {}, file, flags, openaiApiKey, rolloutServerToken } = sources;
  const problems: string[] = [];
  const content = file?.content ?? {};
  const origin = originFinder(envClass, file, flags);

  for (const key of Object.keys(content)) {
    if (topKeys.includes(key)) continue;
    const nearest = nearestName(key, topKeys);
    problems.push(
      `${file?.locate([key])}: ${key}: unknown key${nearest ? `; did you mean ${nearest}?` : ""}`,
    );
  }

  const envSchema = toConfigSchema(envClass.configSchema);
  const fileEnv = readMap(content.env, "env", file, problems);
  const envFlags = flags.filter((flag) => flag.section === "env");
  const envInput = mergeMaps(
    rolloutServerToken === undefined ? {} : { rollout_server_token: rolloutServerToken },
    verbDefaults,
    envClass.defaults?.env ?? {},
    fileEnv,
    flagsToMap(envFlags, envSchema),
  );
  const env = envClass.configSchema.safeParse(envInput, { reportInput: true });
  for (const issue of env.error?.issues ?? []) {
    problems.push(
      ...describeIssue({ issue, schema: envSchema, section: "env", origin: (path) => origin("env", path) }),
    );
  }

  if (env.success) problems.push(...parserProblems(env.data, (path) => origin("env", path)));

  const serverInputs = mergeServers({ envClass, file, flags, problems });
  const servers = serverInputs.map((input, index) => {
    const withKey = input.api_key === undefined && openaiApiKey ? { ...input, api_key: openaiApiKey } : input;
    const server = serverConfig.safeParse(withKey, { reportInput: true });
    const section = serverInputs.length > 1 ? `openai[${index}]` : "openai";
    for (const issue of server.error?.issues ?? []) {
      const schema = toConfigSchema(serverConfig);
      const where = (path: ConfigPath) => origin("openai", [index, ...path]);
      problems.push(...describeIssue({ issue, schema, section, origin: where }));
    }
    return server.data;
  });

  if (problems.length > 0 || env.data === undefined) throw invalidConfig(problems, envClass.envName);
  return {
    env: env.data,
    servers: servers.filter((server) => server !== undefined),
    notices: compatibilityNotices(content),
  };
}

/** The environment's own layer knows no parser: their names are checked here, where all of them are known. */
function parserProblems(env: Record<string, unknown>, origin: (path: ConfigPath) => string): string[] {
  const known = { tool_call_parser: parserNames, reasoning_parser: reasoningParserNames };
  return Object.entries(known).flatMap(([key, names]) => {
    const value = env[key];
    if (typeof value !== "string" || value === "auto" || names.includes(value)) return [];
    const near = closestNames(value, names, 3);
    const where = origin([key]);
    const place = where.startsWith("--") ? where : `${where === "" ? "" : `${where}: `}env.${key}`;
    const hint = near.length > 0 ? `did you mean ${near.join(" or ")}?` : "`environment parsers` lists them";
    return [`${place}: there is no parser named "${value}"; ${hint}`];
  });
}

/**
 * Deep merge of maps; later ones win. Anything that is no map replaces what it meets, and so does a map that names
 * another `type`: parameters of a reward are none of another reward.
 */
export function mergeMaps(...maps: readonly ConfigMap[]): ConfigMap {
  const merged: ConfigMap = {};
  for (const map of maps) {
    for (const [key, value] of Object.entries(map)) {
      const before = Object.hasOwn(merged, key) ? merged[key] : undefined;
      const mergeable = isConfigMap(before) && isConfigMap(value) && !isOtherType(before, value);
      const next = mergeable ? mergeMaps(before, value) : value;
      // A key named __proto__ must become a key, for the schema to refuse it.
      Object.defineProperty(merged, key, {
        value: next,
        enumerable: true,
        configurable: true,
        writable: true,
      });
    }
  }
  return merged;
}

function isOtherType(before: ConfigMap, value: ConfigMap): boolean {
  return before.type !== undefined && value.type !== undefined && before.type !== value.type;
}

type ServerSources = Pick<ConfigSources, "envClass" | "file" | "flags"> & { problems: string[] };

function mergeServers({ envClass, file, flags, problems }: ServerSources): ConfigMap[] {
  const schema = toConfigSchema(serverConfig);
  const classDefault = envClass.defaults?.openai ?? {};
  const fileServers = readServers(file, problems);
  const servers = fileServers.length > 1 ? [...fileServers] : [mergeMaps(classDefault, fileServers[0] ?? {})];

  const openaiFlags = flags.filter((flag) => flag.section === "openai");
  const shared = openaiFlags.filter((flag) => !isIndexed(flag));
  const indexed = openaiFlags.filter(isIndexed);
  for (const index of new Set(indexed.map((flag) => Number(flag.path[0])).sort((a, b) => a - b))) {
    if (index > servers.length) {
      problems.push(
        `--openai.${index}: there are ${servers.length} servers; the next index is ${servers.length}`,
      );
      continue;
    }
    const own = indexed.filter((flag) => Number(flag.path[0]) === index).flatMap(withoutIndex);
    servers[index] = mergeMaps(servers[index] ?? classDefault, flagsToMap(own, schema));
  }
  if (servers.length > 1 && shared.length > 0) {
    problems.push(
      `${shared.map((flag) => flag.name).join(", ")}: there are ${servers.length} servers; ` +
        `write --openai.<index>.<key>, e.g. --openai.0.${shared[0]?.path.join(".")}`,
    );
    return servers;
  }
  return servers.map((server, index) =>
    index === 0 ? mergeMaps(server, flagsToMap(shared, schema)) : server,
  );
}

function readServers(file: ConfigFile | undefined, problems: string[]): ConfigMap[] {
  const openai = file?.content.openai;
  if (openai === undefined || openai === null) return [];
  if (isConfigMap(openai)) return [openai];
  if (Array.isArray(openai) && openai.length > 0 && openai.every(isConfigMap)) return openai;
  problems.push(`${file?.locate(["openai"])}: openai: expected one server's map or a list of such maps`);
  return [];
}

function readMap(value: unknown, key: string, file: ConfigFile | undefined, problems: string[]): ConfigMap {
  if (value === undefined || value === null) return {};
  if (isConfigMap(value)) return value;
  problems.push(`${file?.locate([key])}: ${key}: expected a map`);
  return {};
}

function isIndexed(flag: DottedFlag): boolean {
  return /^\d+$/.test(flag.path[0]);
}

function withoutIndex(flag: DottedFlag): DottedFlag[] {
  const [, key, ...rest] = flag.path;
  if (key === undefined) {
    throw new LachesisError("CONFIG_INVALID", `${flag.name}: expected --openai.<index>.<key>`);
  }
  return [{ ...flag, path: [key, ...rest] }];
}

/** Says where a value came from: the flag, `file:line`, or the class. */
function originFinder(envClass: Configurable, file: ConfigFile | undefined, flags: readonly DottedFlag[]) {
  return (section: ConfigSection, path: ConfigPath): string => {
    const flag = flags.findLast((each) => each.section === section && isAncestor(flagPath(each), path));
    if (flag !== undefined) return flag.name;
    const isList = Array.isArray(file?.content.openai);
    const filePath = [section, ...(section === "openai" && !isList ? path.slice(1) : path)];
    if (file !== undefined && hasPath(file.content, filePath)) return file.locate(filePath);
    return hasPath(envClass.defaults ?? {}, [section, ...path.slice(section === "openai" ? 1 : 0)])
      ? `class defaults of ${envClass.envName}`
      : "";
  };
}

/** An unindexed `--openai.x` means the first server. */
function flagPath(flag: DottedFlag): ConfigPath {
  return flag.section === "openai" && !isIndexed(flag) ? ["0", ...flag.path] : flag.path;
}

function isAncestor(ancestor: ConfigPath, path: ConfigPath): boolean {
  const shared = Math.min(ancestor.length, path.length);
  for (let index = 0; index < shared; index++) {
    if (String(ancestor[index]) !== String(path[index])) return false;
  }
  return true;
}

function hasPath(root: unknown, path: ConfigPath): boolean {
  let value = root;
  for (const key of path) {
    if (Array.isArray(value)) value = value[Number(key)];
    else if (isConfigMap(value) && Object.hasOwn(value, key)) value = value[key];
    else return false;
  }
  return value !== undefined;
}

function compatibilityNotices(content: ConfigMap): string[] {
  const notices: string[] = [];
  if (content.slurm === true) notices.push(slurmNotice);
  if (content.testing === true) notices.push(testingNotice);
  return notices;
}

export const slurmNotice =
  "slurm is accepted for Atropos' configs but does nothing here: list the servers' URLs under openai.";
export const testingNotice =
  "testing is accepted for Atropos' configs but does nothing here: `environment practice-server` plays a model.";

function invalidConfig(problems: readonly string[], envName: string): LachesisError {
  const list =
    problems.length === 1 ? ` ${problems[0]}` : problems.map((problem) => `\n  ${problem}`).join("");
  const count = problems.length === 1 ? "an error" : `${problems.length} errors`;
  return new LachesisError("CONFIG_INVALID", `The configuration has ${count}:${list}`, {
    hint: `\`environment serve ${envName} --help\` lists every key with its type and default.`,
  });
}
