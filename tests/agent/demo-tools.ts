/** Tools for tests of the loop, and a diary of what ran. */
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { LachesisError } from "../../src/contracts/errors.ts";
import { defineTool } from "../../src/tools/define-tool.ts";

export function demoTools() {
  const ran: string[] = [];
  const timed = (name: string, parallel: boolean) =>
    defineTool({
      name,
      description: "Waits, then answers its id.",
      toolset: "demo",
      parallel,
      parameters: z.strictObject({ id: z.string(), ms: z.number().default(0) }),
      async run({ id, ms }) {
        ran.push(`start ${id}`);
        await sleep(ms);
        ran.push(`end ${id}`);
        return id;
      },
    });
  const tools = [
    defineTool({
      name: "echo",
      description: "Says it again.",
      toolset: "demo",
      parameters: z.strictObject({ text: z.string() }),
      async run({ text }) {
        ran.push(`echo ${text}`);
        return text;
      },
    }),
    defineTool({
      name: "fails",
      description: "Answers an error.",
      toolset: "demo",
      parameters: z.object({}),
      run: async () => ({ error: "it failed", code: 5 }),
    }),
    defineTool({
      name: "broken-sandbox",
      description: "Finds its sandbox dead.",
      toolset: "demo",
      parallel: true,
      parameters: z.object({}),
      run: async () => {
        throw new LachesisError("SANDBOX_DIED", "gone", { retryable: true });
      },
    }),
    defineTool({
      name: "never-ends",
      description: "Listens to no signal.",
      toolset: "demo",
      parameters: z.object({}),
      run: () => new Promise<string>(() => {}),
    }),
    timed("slow", true),
    timed("alone", false),
  ];
  return { tools, ran };
}
