/** From what the user typed as `<env>` to an environment class: a registered name, or a file's export. */
import { existsSync } from "node:fs";
import { extname, resolve, sep } from "node:path";
import { pathToFileURL } from "node:url";
import { nearestName } from "../contracts/closest-names.ts";
import { LachesisError } from "../contracts/errors.ts";
import type { EnvClass } from "../env/env-class.ts";
import { resolveOwnPackage } from "./own-package.ts";

const fileExtensions = [".ts", ".mts", ".js", ".mjs"];

/**
 * Loads the class. Rejects with ENVIRONMENT_UNKNOWN (naming the nearest registered one) or, for a file that
 * fails to load or exports no environment class, ENVIRONMENT_FILE_INVALID.
 */
export async function findEnvironment(
  nameOrPath: string,
  registered: readonly EnvClass[],
): Promise<EnvClass> {
  const known = registered.find(({ envName }) => envName === nameOrPath);
  if (known !== undefined) return known;
  if (fileExtensions.includes(extname(nameOrPath)) || nameOrPath.includes(sep)) return loadFile(nameOrPath);

  const names = registered.map(({ envName }) => envName);
  const nearest = nearestName(nameOrPath, names);
  throw new LachesisError("ENVIRONMENT_UNKNOWN", `No environment is registered as "${nameOrPath}".`, {
    hint: `${nearest ? `Did you mean ${nearest}? ` : ""}Registered: ${names.join(", ")}. A path must end in .ts or .js.`,
  });
}

async function loadFile(path: string): Promise<EnvClass> {
  if (!existsSync(path)) {
    throw new LachesisError("ENVIRONMENT_UNKNOWN", `There is no environment file at ${path}.`, {
      hint: `Looked in ${resolve(path)}; \`environment list\` shows the registered names.`,
    });
  }
  resolveOwnPackage();
  let exports: Record<string, unknown>;
  try {
    exports = await import(pathToFileURL(resolve(path)).href);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new LachesisError("ENVIRONMENT_FILE_INVALID", `${path} does not load: ${reason}`, {
      hint: "Run it by itself to see the whole error; .ts files may use erasable TypeScript only (no enums).",
      cause,
    });
  }
  return pickClass(exports, path);
}

/** The default export if it is an environment class, else the only export that is one. */
export function pickClass(exports: Readonly<Record<string, unknown>>, path: string): EnvClass {
  if (isEnvClass(exports.default)) return exports.default;
  const classes = [...new Set(Object.values(exports).filter(isEnvClass))];
  const [only, another] = classes;
  if (only !== undefined && another === undefined) return only;
  const found = classes.map(({ envName }) => envName).join(", ");
  throw new LachesisError(
    "ENVIRONMENT_FILE_INVALID",
    `${path}: expected an environment class as the default export, got ${found ? `${classes.length} classes (${found})` : `exports ${Object.keys(exports).join(", ") || "nothing"}`}.`,
    {
      hint: "Write `export default class MyEnv extends HermesAgentBaseEnv` with static envName and configSchema.",
    },
  );
}

/**
 * By shape, not by `instanceof`: a user's file may have loaded its own copy of the package, whose classes
 * are as good.
 */
function isEnvClass(value: unknown): value is EnvClass {
  if (typeof value !== "function" || !("envName" in value) || !("configSchema" in value)) return false;
  const { envName, configSchema } = value;
  if (typeof envName !== "string" || envName === "") return false;
  return typeof configSchema === "object" && configSchema !== null && "shape" in configSchema;
}
