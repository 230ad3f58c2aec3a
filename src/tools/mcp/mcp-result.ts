/**
 * What a tool of an MCP server answers, as JSON that the model can read. Pictures, sounds and other binary parts
 * become files of the sandbox, which other tools can work with.
 */
import { z } from "zod";
import type { RolloutContext } from "../../contracts/rollout-context.ts";
import type { ToolOutput } from "../define-tool.ts";

const part = z.discriminatedUnion("type", [
  z.object({ type: z.literal("text"), text: z.string() }),
  z.object({ type: z.enum(["image", "audio"]), data: z.string(), mimeType: z.string() }),
  z.object({
    type: z.literal("resource"),
    resource: z.object({
      uri: z.string(),
      mimeType: z.string().optional(),
      text: z.string().optional(),
      blob: z.string().optional(),
    }),
  }),
  z.object({
    type: z.literal("resource_link"),
    uri: z.string(),
    name: z.string(),
    description: z.string().optional(),
    mimeType: z.string().optional(),
  }),
]);

const callResult = z.object({
  content: z.array(part).default([]),
  structuredContent: z.record(z.string(), z.unknown()).optional(),
  isError: z.boolean().default(false),
});

export type SavedFile = { path: string; mime_type: string; bytes: number };

/** `number` makes file names unique within the rollout. */
export async function mcpOutput(
  answer: unknown,
  { server, number, context }: { server: string; number: number; context: RolloutContext },
): Promise<ToolOutput> {
  const parsed = callResult.safeParse(answer);
  if (!parsed.success) return { error: `The MCP server ${server} answered what is no result of a tool.` };
  const { content, structuredContent, isError } = parsed.data;
  const texts: string[] = [];
  const files: SavedFile[] = [];
  const links: unknown[] = [];
  const save = async (data: string, mimeType: string) => {
    const sandbox = await context.sandbox();
    const bytes = Buffer.from(data, "base64");
    const name = `${server}-${number}-${files.length + 1}.${extension(mimeType)}`;
    const path = `${sandbox.workspace}/.lachesis/mcp-files/${name}`;
    await sandbox.writeFile(path, bytes, { signal: context.signal });
    files.push({ path, mime_type: mimeType, bytes: bytes.length });
  };
  for (const each of content) {
    if (each.type === "text") texts.push(each.text);
    else if (each.type === "resource_link") {
      const { type: _type, ...link } = each;
      links.push(link);
    } else if (each.type === "resource") {
      const { uri, text, blob, mimeType = "application/octet-stream" } = each.resource;
      if (text !== undefined) texts.push(text);
      else if (blob !== undefined) await save(blob, mimeType);
      links.push({ uri });
    } else await save(each.data, each.mimeType);
  }
  const text = texts.join("\n");
  const more = {
    ...(structuredContent !== undefined && { structuredContent }),
    ...(files.length > 0 && { files }),
    ...(links.length > 0 && { resources: links }),
  };
  return isError
    ? { error: text || `The tool of the MCP server ${server} failed and said nothing.`, ...more }
    : { result: text, ...more };
}

function extension(mimeType: string): string {
  return /^[a-z]+\/(?:x-)?([a-z0-9]{1,8})/.exec(mimeType)?.[1] ?? "bin";
}
