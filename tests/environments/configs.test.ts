import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { environments } from "../../environments/index.ts";

const configs = new URL("../../configs/", import.meta.url);

test.each(readdirSync(configs).filter((name) => name.endsWith(".yaml")))(
  "configs/%s fits the schema of the environment that it is named after",
  (name) => {
    const environment = environments.find(({ envName }) => name.startsWith(envName));
    const { env } = parse(readFileSync(new URL(name, configs), "utf8"));
    expect(environment?.configSchema.safeParse(env).error).toBeUndefined();
  },
);

test("every environment describes itself and each key of its configuration", () => {
  expect(new Set(environments.map(({ envName }) => envName)).size).toBe(environments.length);
  for (const { envName, description, configSchema, defaults } of environments) {
    expect(envName).toMatch(/^[a-z0-9]+(-[a-z0-9]+)*$/);
    expect(description).not.toBe("");
    for (const [key, field] of Object.entries(configSchema.shape)) {
      expect([key, Boolean(field.meta()?.description)]).toEqual([key, true]);
    }
    expect(configSchema.safeParse(defaults?.env ?? {}).error).toBeUndefined();
  }
});
