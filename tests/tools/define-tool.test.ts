import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { LachesisError } from "../../src/contracts/errors.ts";
import { builtinTools } from "../../src/tools/builtin-tools.ts";
import { defineTool, type ToolOutput } from "../../src/tools/define-tool.ts";
import { plainBackend, rolloutContext } from "../support/rollout-context.ts";

const context = rolloutContext(plainBackend());

function toolThat(run: (args: { city: string; days: number }) => Promise<ToolOutput>) {
  return defineTool({
    name: "weather",
    description: "Says the weather.",
    toolset: "demo",
    parameters: z.strictObject({
      city: z.string().min(1).describe("Where."),
      days: z.int().min(1).max(7).default(1).describe("How many days."),
      units: z.enum(["metric", "imperial"]).optional().describe("Units."),
      since: z.int().optional().describe("Any year."),
    }),
    run: ({ city, days }) => run({ city, days }),
  });
}

const sunny = toolThat(async ({ city, days }) => ({ forecast: `${city}: ${days} day(s) of sun` }));

describe("the schema for the model", () => {
  test("is plain JSON schema of the input side, with descriptions and without a dialect", () => {
    expect(sunny.schema).toEqual({
      type: "function",
      function: {
        name: "weather",
        description: "Says the weather.",
        parameters: {
          type: "object",
          properties: {
            city: { type: "string", minLength: 1, description: "Where." },
            days: { type: "integer", minimum: 1, maximum: 7, default: 1, description: "How many days." },
            units: { type: "string", enum: ["metric", "imperial"], description: "Units." },
            since: { type: "integer", description: "Any year." },
          },
          required: ["city"],
          additionalProperties: false,
        },
      },
    });
  });

  test("refuses names and parameters that servers would refuse", () => {
    const define = (name: string, parameters: z.ZodObject) => () =>
      defineTool({ name, description: "", toolset: "demo", parameters, run: async () => "" });
    expect(define("two words", z.object({}))).toThrow(expect.objectContaining({ code: "TOOL_INVALID" }));
    expect(define("when", z.object({ at: z.date() }))).toThrow(
      expect.objectContaining({ code: "TOOL_INVALID", message: expect.stringContaining('"when"') }),
    );
  });
});

describe("a call", () => {
  test("runs with defaults filled in and answers JSON", async () => {
    expect(await sunny.call({ city: "Moirai" }, context)).toEqual({
      ok: true,
      content: '{"forecast":"Moirai: 1 day(s) of sun"}',
    });
  });

  test("with wrong arguments names every wrong field and runs nothing", async () => {
    const ran: unknown[] = [];
    const tool = toolThat(async (args) => ({ ran: ran.push(args) }));
    const result = await tool.call({ city: 3, days: 9, units: "furlongs", colour: "red" }, context);
    expect(result).toMatchObject({ ok: false, invalidArguments: true });
    const { error, fields } = JSON.parse(result.content);
    expect(fields.map(({ field }: { field: string }) => field)).toEqual([
      "city",
      "days",
      "units",
      "(arguments)",
    ]);
    expect(error).toContain("expected string, received number");
    expect(error).toContain('"colour"');
    expect(ran).toEqual([]);
  });

  test("whose tool returns an error is not ok, and the model reads all of it", async () => {
    const tool = toolThat(async () => ({ error: "no such city", known: ["Moirai"] }));
    expect(await tool.call({ city: "x" }, context)).toEqual({
      ok: false,
      error: "no such city",
      content: '{"error":"no such city","known":["Moirai"]}',
    });
  });

  test.each<[string, ToolOutput]>([
    ["null", { error: null, exit_code: 1 }],
    ["empty", { error: "" }],
  ])("whose error is %s is ok", async (_name, output) => {
    expect(await toolThat(async () => output).call({ city: "x" }, context)).toMatchObject({ ok: true });
  });

  test("gives text as it is, with broken surrogates replaced", async () => {
    const tool = toolThat(async () => "plain \ud800 text");
    expect(await tool.call({ city: "x" }, context)).toEqual({ ok: true, content: "plain \ufffd text" });
  });

  test.each<[string, unknown]>([
    ["an exception", new TypeError("boom")],
    ["something thrown that is no error", "boom"],
  ])("whose tool has %s is a result that names it", async (_name, thrown) => {
    const tool = toolThat(async () => {
      throw thrown;
    });
    expect(await tool.call({ city: "x" }, context)).toMatchObject({
      ok: false,
      error: expect.stringMatching(/^Tool execution failed: .*boom$/),
    });
  });

  test("whose result cannot be JSON is a failed result", async () => {
    const circle: Record<string, unknown> = {};
    circle.itself = circle;
    const result = await toolThat(async () => circle).call({ city: "x" }, context);
    expect(result).toMatchObject({ ok: false, error: expect.stringContaining("circular") });
  });

  test("that fails for the machinery rejects", async () => {
    const died = new LachesisError("SANDBOX_DIED", "gone");
    const tool = toolThat(async () => {
      throw died;
    });
    await expect(tool.call({ city: "x" }, context)).rejects.toBe(died);
  });

  test("of an aborted rollout rejects with the reason, whatever the tool throws", async () => {
    const rollout = new AbortController();
    const aborted = rolloutContext(plainBackend(), { signal: rollout.signal });
    const tool = toolThat(async () => {
      rollout.abort(new Error("stop"));
      throw new Error("side effect of stopping");
    });
    await expect(tool.call({ city: "x" }, aborted)).rejects.toThrow("stop");
    await expect(tool.call({ city: "x" }, aborted)).rejects.toThrow("stop");
  });
});

test("no JSON value makes a built-in tool throw or touch a sandbox for arguments that do not fit", async () => {
  const untouched = rolloutContext(plainBackend());
  untouched.sandbox = () => {
    throw new Error("asked for a sandbox");
  };
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...builtinTools()), fc.jsonValue(), async (tool, value) => {
      const result = await tool.call(value, untouched);
      expect(typeof result.content).toBe("string");
      // A tool may take no arguments and need no sandbox: todo shows its list.
      if (result.ok) expect(value).toEqual({});
      else expect(JSON.parse(result.content)).toHaveProperty("error");
    }),
    { numRuns: 300 },
  );
});
