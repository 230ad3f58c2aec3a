import { readFile } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import { environments } from "../../environments/index.ts";
import { makeColors } from "../../src/cli/colors.ts";
import { configHelp, fieldGroups, wrapText } from "../../src/cli/config-help.ts";
import { configTables } from "../../src/cli/config-table.ts";
import { splitArguments } from "../../src/cli/dotted-flags.ts";
import { resolveConfig } from "../../src/cli/resolve-config.ts";
import { verbDefaults } from "../../src/cli/run-verb.ts";
import { configEnv } from "./config-env.ts";

const all = [...environments, configEnv];

describe.each(all.map((envClass) => [envClass.envName, envClass] as const))(
  "help of %s",
  (_name, envClass) => {
    const resolve = (...flags: string[]) =>
      resolveConfig({
        envClass,
        verbDefaults: verbDefaults.process,
        file: undefined,
        flags: splitArguments(flags, []).flags,
        openaiApiKey: undefined,
      });

    test("lists every key once, each with a description, within the width", () => {
      for (const columns of [80, 100]) {
        const text = configHelp(envClass, { verbDefaults: {}, columns, colors: makeColors(false) });
        for (const key of Object.keys(envClass.configSchema.shape)) {
          expect(text.match(new RegExp(`^  --env\\.${key}  `, "gm")), key).toHaveLength(1);
        }
        expect(Math.max(...text.split("\n").map((line) => line.length))).toBeLessThanOrEqual(columns);
      }
      const groups = fieldGroups(envClass, {});
      expect(groups.flatMap(({ fields }) => fields.filter(({ description }) => description === ""))).toEqual(
        [],
      );
    });

    test("the default that it shows is the one that a run takes, and can be given as a flag", () => {
      const { env, servers } = resolve();
      const groups = fieldGroups(envClass, verbDefaults.process);
      // The groups behind the first are the same for all.
      for (const { prefix, fields } of envClass === configEnv ? groups : groups.slice(0, 1)) {
        const values: Record<string, unknown> = prefix === "--env." ? env : { ...servers[0] };
        for (const { name, defaultText } of fields) {
          if (defaultText === undefined) continue;
          expect(values[name], name).toEqual(JSON.parse(defaultText));
          const value: unknown = JSON.parse(defaultText);
          const given = resolve(`${prefix}${name}=${typeof value === "string" ? value : defaultText}`);
          const again: Record<string, unknown> = prefix === "--env." ? given.env : { ...given.servers[0] };
          expect(again[name], `${prefix}${name}=${defaultText}`).toEqual(value);
        }
      }
    });
  },
);

test("docs/cli.md shows the keys as they are (node scripts/write-cli-docs.ts)", async () => {
  const page = await readFile(new URL("../../docs/cli.md", import.meta.url), "utf8");
  const gsm8k = environments.find(({ envName }) => envName === "gsm8k-agent");
  const [, tables] = /<!-- keys:.*-->\n([\s\S]*)<!-- \/keys -->/.exec(page) ?? [];
  expect(tables).toBe(configTables(fieldGroups(gsm8k ?? configEnv, {})));
});

test.each([
  ["a b c", 3, ["a b", "c"]],
  ["aaaaaa b", 3, ["aaaaaa", "b"]],
  ["", 3, []],
])("wrapText(%j, %i)", (text, width, lines) => {
  expect(wrapText(text, width)).toEqual(lines);
});
