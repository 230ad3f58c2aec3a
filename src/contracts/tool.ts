/** A tool the model may call, and what a call comes to. */
import type { ToolSchema } from "./chat.ts";
import type { RolloutContext } from "./rollout-context.ts";

/** What one call answers. `content` is what the model reads; a mistake of the model is `ok: false`. */
export type ToolResult =
  | { ok: true; content: string }
  | {
      ok: false;
      error: string;
      content: string;
      /** True when the call was refused for its arguments and nothing ran. */
      invalidArguments?: boolean;
    };

export interface Tool {
  readonly name: string;
  readonly description: string;
  readonly toolset: string;
  /** True when calls of one turn may run at the same time as its neighbours. */
  readonly parallel: boolean;
  /** Characters of a result that go into the conversation; undefined = the loop's default. */
  readonly maxResultChars: number | undefined;
  readonly schema: ToolSchema;
  /**
   * What to set in the configuration before the tool can be used; null or undefined = nothing is missing. Such a
   * tool is left out where nobody asked for it by name.
   */
  readonly unconfigured?: string | null;
  /**
   * Runs one call. `args` is any JSON value the model wrote: it is validated here and a bad one gives an
   * `ok: false` result. Rejects only when the machinery failed (sandbox died, aborted).
   */
  call(args: unknown, context: RolloutContext): Promise<ToolResult>;
  /** Says why the tool can't be used here (a missing program, a missing key); null = it can. */
  check(): Promise<string | null>;
}
