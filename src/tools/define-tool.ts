/**
 * Makes a Tool of a zod schema and a function. The schema is the one source of truth: the JSON schema the
 * model sees and the validation of what it writes both come from it.
 *
 * Who is to blame decides how a call ends: wrong arguments, a returned `error` and an exception of the
 * tool's own code are results the model reads; a LachesisError (the sandbox died, ...) or an abort rejects.
 */
import { z } from "zod";
import type { JsonObject } from "../contracts/chat.ts";
import { LachesisError } from "../contracts/errors.ts";
import type { RolloutContext } from "../contracts/rollout-context.ts";
import type { Tool, ToolResult } from "../contracts/tool.ts";

/** A result object; a non-empty string under `error` marks the call as failed. */
export type ToolOutput = string | { readonly [key: string]: unknown };

export type ToolDefinition<Parameters extends z.ZodObject> = {
  /** 1-64 letters, digits, `_` or `-`, as OpenAI-compatible servers accept. */
  name: string;
  description: string;
  /** Every field described: the model reads it. */
  parameters: Parameters;
  toolset: string;
  /** Default false: the calls of one turn run one after the other. */
  parallel?: boolean;
  /** Characters of a result that go into the conversation. Default: the agent loop's. */
  maxResultChars?: number;
  /** What to set in the configuration before the tool can be used; null = nothing is missing. */
  unconfigured?: string | null;
  /** Says why the tool can't be used here; null = it can. */
  check?(): Promise<string | null>;
  run(args: z.output<Parameters>, context: RolloutContext): Promise<ToolOutput>;
};

/** Builds the tool; throws TOOL_INVALID where a server would refuse its schema. */
export function defineTool<Parameters extends z.ZodObject>(definition: ToolDefinition<Parameters>): Tool {
  const { name, description, parameters, toolset } = definition;
  if (!/^[A-Za-z0-9_-]{1,64}$/.test(name)) {
    throw new LachesisError(
      "TOOL_INVALID",
      `Expected a tool name of 1-64 letters, digits, _ or -, got "${name}".`,
    );
  }
  return {
    name,
    description,
    toolset,
    parallel: definition.parallel ?? false,
    maxResultChars: definition.maxResultChars,
    schema: {
      type: "function",
      function: { name, description, parameters: parametersSchema(name, parameters) },
    },
    unconfigured: definition.unconfigured ?? null,
    check: async () => definition.unconfigured ?? (await definition.check?.()) ?? null,
    async call(args, context) {
      const parsed = await parameters.safeParseAsync(args);
      if (!parsed.success) return invalidArguments(name, parsed.error);
      context.signal.throwIfAborted();
      try {
        return toResult(await definition.run(parsed.data, context));
      } catch (thrown) {
        context.signal.throwIfAborted();
        if (thrown instanceof LachesisError) throw thrown;
        context.logger.warn({ err: thrown, tool: name, rolloutId: context.rolloutId }, "tool-threw");
        return failedResult(`Tool execution failed: ${describeThrown(thrown)}`);
      }
    },
  };
}

/** A failed result whose content is `{"error": ...}` and whatever else the model should know. */
export function failedResult(error: string, details: JsonObject = {}): ToolResult & { ok: false } {
  return { ok: false, error, content: JSON.stringify({ error, ...details }) };
}

/** What a tool gives back, as a result: a non-empty string under `error` marks it as failed. */
export function toResult(output: ToolOutput): ToolResult {
  if (typeof output === "string") return { ok: true, content: output.toWellFormed() };
  const content = JSON.stringify(output);
  const { error } = output;
  return typeof error === "string" && error !== "" ? { ok: false, error, content } : { ok: true, content };
}

function invalidArguments(tool: string, error: z.ZodError): ToolResult {
  const problems = error.issues.map((issue) => ({
    field: issue.path.map(String).join(".") || "(arguments)",
    problem: issue.message,
  }));
  const summary = problems.map(({ field, problem }) => `${field}: ${problem}`).join("; ");
  return {
    ...failedResult(`Invalid arguments for tool "${tool}": ${summary}`, { fields: problems }),
    invalidArguments: true,
  };
}

function describeThrown(thrown: unknown): string {
  return thrown instanceof Error ? `${thrown.name}: ${thrown.message}` : String(thrown);
}

const jsonObject: z.ZodType<JsonObject> = z.record(z.string(), z.json());

/** The JSON schema of the input side, without what only restates JSON itself. */
function parametersSchema(tool: string, parameters: z.ZodObject): JsonObject {
  try {
    const { $schema: _dialect, ...schema } = z.toJSONSchema(parameters, {
      io: "input",
      override: ({ jsonSchema }) => {
        if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
        if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum;
      },
    });
    return jsonObject.parse(schema);
  } catch (cause) {
    throw new LachesisError("TOOL_INVALID", `The parameters of tool "${tool}" have no JSON schema.`, {
      cause,
    });
  }
}
