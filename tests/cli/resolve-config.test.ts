import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseConfigFile } from "../../src/cli/config-file.ts";
import { splitArguments } from "../../src/cli/dotted-flags.ts";
import { mergeMaps, resolveConfig } from "../../src/cli/resolve-config.ts";
import { LachesisError } from "../../src/contracts/errors.ts";
import { configEnv } from "./config-env.ts";

/** Five aliases of ten aliases of ten aliases…: a short file that stands for a very long one. */
const aliasBomb = [..."abcdef"]
  .map(
    (name, index, all) => `${name}: &${name} [${Array(10).fill(index === 0 ? "x" : `*${all[index - 1]}`)}]`,
  )
  .join("\n");

type Given = { flags?: string[]; yaml?: string; openaiApiKey?: string; rolloutServerToken?: string };

function resolve({ flags = [], yaml, openaiApiKey, rolloutServerToken }: Given) {
  return resolveConfig({
    envClass: configEnv,
    file: yaml === undefined ? undefined : parseConfigFile(yaml, "run.yaml"),
    flags: splitArguments(flags, ["--config"]).flags,
    openaiApiKey,
    rolloutServerToken,
  });
}

function problem(given: Given): string {
  try {
    resolve(given);
  } catch (error) {
    if (error instanceof LachesisError) return `${error.code}: ${error.message}`;
    throw error;
  }
  return "no problem";
}

describe("precedence", () => {
  test.each([
    ["schema default", {}, "max_num_workers", -1],
    ["class default over schema", {}, "group_size", 8],
    ["file over class", { yaml: "env:\n  group_size: 3" }, "group_size", 3],
    ["flag over file", { yaml: "env:\n  group_size: 3", flags: ["--env.group_size", "2"] }, "group_size", 2],
    ["file null over class", { yaml: "env:\n  enabled_toolsets: null" }, "enabled_toolsets", null],
    [
      "flag null over file",
      { yaml: "env: {enabled_toolsets: [a]}", flags: ["--env.enabled_toolsets=None"] },
      "enabled_toolsets",
      null,
    ],
    ["a list replaces", { flags: ["--env.enabled_toolsets", "terminal"] }, "enabled_toolsets", ["terminal"]],
    [
      "maps merge deeply",
      { yaml: "env: {extra_body: {nested: {b: 3}, top_p: 1}}", flags: ["--env.extra_body.top_k", "5"] },
      "extra_body",
      { top_k: 5, top_p: 1, nested: { a: 1, b: 3 } },
    ],
    [
      "a bad value below is never seen",
      { yaml: "env: {group_size: no}", flags: ["--env.group_size=2"] },
      "group_size",
      2,
    ],
  ] satisfies [string, Given, string, unknown][])("%s", (_name, given, key, expected) => {
    expect(resolve(given).env[key]).toEqual(expected);
  });
});

describe("values of flags", () => {
  test.each([
    [["--env.total_steps", "-1"], "total_steps", -1],
    [["--env.total_steps=-1"], "total_steps", -1],
    [["--env.agent_temperature", "1e-1"], "agent_temperature", 0.1],
    [["--env.include_messages"], "include_messages", true],
    [["--env.include_messages", "false"], "include_messages", false],
    [["--env.include_messages", "False"], "include_messages", false],
    [["--env.include_messages", "--env.seed", "3"], "include_messages", true],
    [["--no-env.use_wandb"], "use_wandb", false],
    [["--env.enabled_toolsets", '["python","file"]'], "enabled_toolsets", ["python", "file"]],
    [["--env.enabled_toolsets", "python, file"], "enabled_toolsets", ["python", "file"]],
    [
      ["--env.enabled_toolsets", "python", "--env.enabled_toolsets", "file"],
      "enabled_toolsets",
      ["python", "file"],
    ],
    [["--env.enabled_toolsets=[]"], "enabled_toolsets", []],
    [["--env.ids", "3,-1,2"], "ids", [3, -1, 2]],
    [["--env.system_prompt", "12"], "system_prompt", "12"],
    [["--env.system_prompt", "true"], "system_prompt", "true"],
    [["--env.system_prompt="], "system_prompt", ""],
    [["--env.system_prompt=--a=b"], "system_prompt", "--a=b"],
    [["--env.system_prompt", "- a dash"], "system_prompt", "- a dash"],
    [["--env.system_prompt", "null"], "system_prompt", null],
    [["--env.wandb_name", "None"], "wandb_name", null],
    [["--env.terminal_backend", "null"], "terminal_backend", "null"],
    [["--env.extra_body", '{"top_k": 5}'], "extra_body", { top_k: 5 }],
    [["--env.weights.format", "0.5", "--env.weights.answer", "2"], "weights", { format: 0.5, answer: 2 }],
    [["--env.limit", "3"], "limit", 3],
    [["--env.limit", "auto"], "limit", "auto"],
    [["--env.group_size", "2", "--env.group_size", "3"], "group_size", 3],
    [["--env.owner.name", "me"], "owner", { name: "me" }],
  ])("%j", (flags, key, expected) => {
    const { env } = resolve({ flags });
    if (key === "extra_body") expect(env[key]).toMatchObject(Object(expected));
    else expect(env[key]).toEqual(expected);
  });

  test("any text survives as a string, however it looks", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        fc.pre(text !== "null" && text !== "None");
        expect(resolve({ flags: [`--env.system_prompt=${text}`] }).env.system_prompt).toBe(text);
      }),
      { numRuns: 60 },
    );
  });

  test("lists and maps survive as JSON, numbers as they are written", () => {
    fc.assert(
      fc.property(
        fc.array(fc.string()),
        fc.integer({ min: -1 }),
        // zod leaves a key named __proto__ out of every record.
        fc.dictionary(
          fc.string().filter((key) => key !== "__proto__"),
          fc.double({ noNaN: true, noDefaultInfinity: true }),
        ),
        (list, steps, weights) => {
          const { env } = resolve({
            flags: [
              "--env.enabled_toolsets",
              JSON.stringify(list),
              "--env.total_steps",
              String(steps),
              "--env.weights",
              JSON.stringify(weights),
            ],
          });
          expect(env.enabled_toolsets).toEqual(list);
          expect(env.total_steps).toBe(steps);
          expect(env.weights).toEqual(JSON.parse(JSON.stringify(weights)));
        },
      ),
      { numRuns: 60 },
    );
  });
});

describe("problems", () => {
  test.each([
    [{ flags: ["--env.groupSize", "2"] }, "--env.groupSize: unknown key; did you mean group_size?"],
    [
      { flags: ["--env.tool_call_parser", "hermess"] },
      '--env.tool_call_parser: there is no parser named "hermess"; did you mean hermes?',
    ],
    [
      { yaml: "env:\n  tool_call_parser: llama_json" },
      'run.yaml:2: env.tool_call_parser: there is no parser named "llama_json"; did you mean llama3_json',
    ],
    [{ flags: ["--openai.modelname", "x"] }, "--openai.modelname: unknown key; did you mean model_name?"],
    [{ flags: ["--env.group_size", "x"] }, '--env.group_size: expected integer >= 1, got "x"'],
    [{ flags: ["--env.group_size", "0"] }, "--env.group_size: expected integer >= 1, got 0"],
    [{ flags: ["--env.eval_pass_k", "1,0"] }, "--env.eval_pass_k: expected integer >= 1, got 0"],
    [{ flags: ["--env.group_size", "1.5"] }, "--env.group_size: expected integer >= 1, got 1.5"],
    [{ flags: ["--env.difficulty", "medium"] }, '--env.difficulty: expected "easy" | "hard", got "medium"'],
    [{ flags: ["--env.limit", "some"] }, '--env.limit: expected "auto" | number, got "some"'],
    [{ flags: ["--env.extra_body", "{a:1}"] }, "--env.extra_body: expected a JSON object, got {a:1}"],
    [{ flags: ["--env.group_size"] }, "--env.group_size: expected a value after it"],
    [{ flags: ["--env.group_size", "--env.seed", "1"] }, "--env.group_size: expected a value after it"],
    [{ flags: ["--env.use_wandb", "perhaps"] }, '--env.use_wandb: expected true or false, got "perhaps"'],
    [{ flags: ["--no-env.group_size"] }, "--no-env.group_size: only a boolean key takes --no-"],
    [{ flags: ["--group-size", "2"] }, "USAGE_INVALID: Unknown option --group-size."],
    [{ flags: ["--env.owner.nmae", "2"] }, "--env.owner.nmae: unknown key; did you mean name?"],
    [
      { yaml: "env:\n  seed: 1\n  max_agent_turn: 3" },
      "run.yaml:3: env.max_agent_turn: unknown key; did you mean max_agent_turns?",
    ],
    [{ yaml: "env:\n  owner:\n    nam: x" }, "run.yaml:3: env.owner.nam: unknown key; did you mean name?"],
    [{ yaml: "env:\n  ids: [1, 2,\n    x]" }, 'run.yaml:3: env.ids.2: expected integer, got "x"'],
    [{ yaml: "envs: {}" }, "run.yaml:1: envs: unknown key; did you mean env?"],
    [{ yaml: "env: 3" }, "run.yaml:1: env: expected a map"],
    [
      { flags: ["--openai.base_url", "127.0.0.1:9001/v1"] },
      '--openai.base_url: expected a URL that starts with http:// or https://, got "127.0.0.1:9001/v1"',
    ],
    [{ yaml: "openai: []" }, "run.yaml:1: openai: expected one server's map or a list of such maps"],
    [
      { yaml: "openai:\n  - model_name: a\n  - timeout: -1" },
      "run.yaml:3: openai[1].timeout: expected number > 0, got -1",
    ],
    [{ yaml: "env: {seed: 1, seed: 2}" }, "CONFIG_FILE_INVALID: run.yaml:1:"],
    [{ yaml: "env:\n\t- x" }, "CONFIG_FILE_INVALID: run.yaml:2:"],
    [{ yaml: "env: {}\n---\nenv: {}" }, "CONFIG_FILE_INVALID: run.yaml:2:1: expected one YAML document"],
    [{ yaml: "env: &a\n  x: *a" }, "CONFIG_FILE_INVALID: run.yaml: its aliases"],
    [{ yaml: aliasBomb }, "CONFIG_FILE_INVALID: run.yaml: its aliases"],
    [{ yaml: "- a" }, "CONFIG_FILE_INVALID: run.yaml: expected a map at the top, got a list"],
  ] satisfies [Given, string][])("%j", (given, expected) => {
    expect(problem(given)).toContain(expected);
  });

  test("all problems are told at once", () => {
    const text = problem({ yaml: "env:\n  seed: x", flags: ["--env.grop_size=1", "--openai.timeout", "x"] });
    expect(text).toContain("3 errors");
    expect(text).toContain('run.yaml:2: env.seed: expected integer >= 0, got "x"');
    expect(text).toContain("--env.grop_size: unknown key");
    expect(text).toContain("--openai.timeout: expected number > 0");
  });

  test("a secret of the wrong type is not shown", () => {
    expect(problem({ yaml: "env: {hub_token: [hunter2]}" })).not.toContain("hunter2");
  });
});

describe("inference servers", () => {
  test("one server merges class, file and flags", () => {
    const { servers } = resolve({
      yaml: "openai:\n  timeout: 5",
      flags: ["--openai.base_url", "http://h:1/v1"],
    });
    expect(servers).toMatchObject([{ model_name: "class-model", timeout: 5, base_url: "http://h:1/v1" }]);
  });

  test("a list of one stays mergeable", () => {
    const { servers } = resolve({ yaml: "openai:\n  - timeout: 5", flags: ["--openai.timeout", "6"] });
    expect(servers).toMatchObject([{ model_name: "class-model", timeout: 6 }]);
  });

  test("a list of two replaces the class default and refuses --openai.<key>", () => {
    const yaml = "openai:\n  - base_url: http://a/v1\n  - base_url: http://b/v1";
    expect(resolve({ yaml }).servers.map((server) => server.model_name)).toEqual(["default", "default"]);
    expect(problem({ yaml, flags: ["--openai.model_name", "x"] })).toContain("write --openai.<index>.<key>");
    const { servers } = resolve({ yaml, flags: ["--openai.1.model_name", "x"] });
    expect(servers).toMatchObject([
      { base_url: "http://a/v1", model_name: "default" },
      { base_url: "http://b/v1", model_name: "x" },
    ]);
  });

  test("indices make further servers, without gaps", () => {
    const flags = ["--openai.0.base_url", "http://a/v1", "--openai.1.base_url", "http://b/v1"];
    expect(resolve({ flags }).servers).toMatchObject([
      { base_url: "http://a/v1", model_name: "class-model" },
      { base_url: "http://b/v1", model_name: "class-model" },
    ]);
    expect(problem({ flags: ["--openai.3.base_url", "http://a/v1"] })).toContain("the next index is 1");
  });

  test("OPENAI_API_KEY is used only where no layer sets a key", () => {
    const yaml = "openai:\n  - {base_url: 'http://a/v1', api_key: own}\n  - {base_url: 'http://b/v1'}";
    const { servers } = resolve({ yaml, openaiApiKey: "outer" });
    expect(servers.map((server) => server.api_key)).toEqual(["own", "outer"]);
  });
});

test("LACHESIS_ROLLOUT_TOKEN is used only where no layer sets a token", () => {
  const rolloutServerToken = "outer";
  expect(resolve({ rolloutServerToken }).env).toMatchObject({ rollout_server_token: "outer" });
  const yaml = "env: {rollout_server_token: own}";
  expect(resolve({ yaml, rolloutServerToken }).env).toMatchObject({ rollout_server_token: "own" });
  const flags = ["--env.rollout_server_token", "null"];
  expect(resolve({ yaml, flags, rolloutServerToken }).env).toMatchObject({ rollout_server_token: null });
});

test("mergeMaps: a map of another type replaces, one of the same type or of none merges", () => {
  const low = { reward: { type: "accuracy", weight: 2, params: { verifier: "number" } } };
  expect(mergeMaps(low, { reward: { type: "judge" } })).toEqual({ reward: { type: "judge" } });
  expect(mergeMaps(low, { reward: { type: "accuracy", weight: 1 } })).toEqual({
    reward: { type: "accuracy", weight: 1, params: { verifier: "number" } },
  });
  expect(mergeMaps(low, { reward: { params: { max_boxes: 1 } } })).toEqual({
    reward: { type: "accuracy", weight: 2, params: { verifier: "number", max_boxes: 1 } },
  });
});

test("mergeMaps: later wins, deep, and neither input is changed", () => {
  const json = fc.dictionary(fc.constantFrom("a", "b", "__proto__"), fc.jsonValue({ maxDepth: 2 }));
  fc.assert(
    fc.property(json, json, (low, high) => {
      const before = JSON.stringify([low, high]);
      const merged = mergeMaps(low, high);
      expect(JSON.stringify([low, high])).toBe(before);
      for (const key of Object.keys(high)) {
        const value = high[key];
        if (typeof value !== "object" || value === null || Array.isArray(value))
          expect(merged[key]).toEqual(value);
      }
      expect(new Set(Object.keys(merged))).toEqual(new Set([...Object.keys(low), ...Object.keys(high)]));
    }),
    { numRuns: 100 },
  );
});
