import { expect, test } from "vitest";
import { backendConfigKeys, backendNames, createBackend } from "../../backends/index.ts";
import { backendSettings } from "../../src/cli/backend-config.ts";
import { hermesAgentEnvConfig } from "../../src/env/env-config.ts";
import { terminalFieldGroups, terminalFields } from "../../src/env/terminal-fields.ts";

const shared = Object.keys(terminalFields).flatMap((key) =>
  key.startsWith("terminal_") ? key.slice("terminal_".length) : [],
);

test.each(backendNames)("every key of the backend %s can be set in an environment, and no other", (name) => {
  const own = Object.keys(terminalFields).flatMap((key) =>
    key.startsWith(`${name}_`) ? key.slice(name.length + 1) : [],
  );
  const known = backendConfigKeys(name);
  expect(own.filter((key) => !known.includes(key))).toEqual([]);
  expect(known.filter((key) => !own.includes(key) && !shared.includes(key))).toEqual([]);
});

test.each(backendNames)("the backend %s takes the defaults of an environment", async (name) => {
  const { config, unused } = backendSettings(name, hermesAgentEnvConfig.parse({}));
  await using backend = createBackend(name, config);
  expect(backend.name).toBe(name);
  expect(unused).toEqual([]);
});

test("help shows every key in one group", () => {
  expect(terminalFieldGroups.flatMap(({ keys }) => keys).toSorted()).toEqual(
    Object.keys(terminalFields).toSorted(),
  );
});
