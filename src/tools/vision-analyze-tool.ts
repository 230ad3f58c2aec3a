/** The `vision_analyze` tool: a question about an image, answered by a model that sees. */
import { z } from "zod";
import type { Tool } from "../contracts/tool.ts";
import { defineTool } from "./define-tool.ts";
import { loadImage } from "./vision/tool-image.ts";
import type { VisionService } from "./vision/vision-service.ts";
import type { GuardedWeb } from "./web/guarded-web.ts";

export type VisionAnalyzeOptions = {
  vision: VisionService | null;
  web: GuardedWeb | null;
  timeoutMs: number;
};

export function visionAnalyzeTool({ vision, web, timeoutMs }: VisionAnalyzeOptions): Tool {
  return defineTool({
    name: "vision_analyze",
    description: "Ask a model that sees images about one: a file of the sandbox, or a URL.",
    toolset: "vision",
    parallel: true,
    unconfigured: vision === null ? "set env.vision_base_url and env.vision_model" : null,
    parameters: z.strictObject({
      image_url: z
        .string()
        .min(1)
        .describe("Path of an image file in the sandbox, or an http(s) or data URL."),
      question: z.string().min(1).max(10_000).describe("What to find out about it."),
    }),
    async run({ image_url: source, question }, context) {
      if (vision === null || web === null)
        return { success: false, error: "No vision server is configured here." };
      const image = await loadImage(source, { web, maxBytes: vision.maxImageBytes, timeoutMs }, context);
      if ("error" in image) return { success: false, error: image.error };
      const answer = await vision.analyze({ question, image }, context);
      return "error" in answer ? { success: false, error: answer.error } : { success: true, ...answer };
    },
  });
}
