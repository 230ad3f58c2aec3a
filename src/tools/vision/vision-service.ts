/**
 * Asks an OpenAI-compatible server with a model that sees images. The server is part of the machinery: when it
 * fails, the rollout is played afresh; that it can't take an image is a result.
 */
import { z } from "zod";
import { LachesisError } from "../../contracts/errors.ts";
import { excerpt, ServiceClient } from "../web/service-client.ts";
import type { ToolImage } from "./tool-image.ts";

export type VisionServiceOptions = {
  /** With the version, as `http://host:8000/v1`. */
  baseUrl: string;
  model: string;
  apiKey: string | null;
  timeoutMs: number;
  /** Tokens of an answer. */
  maxTokens: number;
  /** Bytes of one image. */
  maxImageBytes: number;
};

const completion = z.object({
  choices: z.tuple([z.object({ message: z.object({ content: z.string().nullish() }) })], z.unknown()),
});

export class VisionService implements AsyncDisposable {
  readonly maxImageBytes: number;
  readonly #options: VisionServiceOptions;
  readonly #client: ServiceClient;

  constructor(options: VisionServiceOptions) {
    const { baseUrl, apiKey, timeoutMs } = options;
    this.#options = options;
    this.maxImageBytes = options.maxImageBytes;
    this.#client = new ServiceClient({
      name: `The vision server at ${baseUrl}`,
      baseUrl,
      apiKey,
      timeoutMs,
      hint: "Check env.vision_base_url, env.vision_model and env.vision_api_key (VISION_API_KEY).",
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#client[Symbol.asyncDispose]();
  }

  async analyze(
    { question, image }: { question: string; image: ToolImage },
    { signal }: { signal: AbortSignal },
  ): Promise<{ analysis: string } | { error: string }> {
    const { model, maxTokens } = this.#options;
    const url = `data:${image.mimeType};base64,${Buffer.from(image.bytes).toString("base64")}`;
    const content = [
      { type: "text", text: question },
      { type: "image_url", image_url: { url } },
    ];
    const json = { model, max_tokens: maxTokens, messages: [{ role: "user", content }] };
    const { status, body } = await this.#client.request(
      { method: "POST", path: "/chat/completions", json },
      { signal },
    );
    if (status === 404) {
      throw new LachesisError("TOOL_SERVICE_REJECTED", `The vision server answered 404: ${excerpt(body)}`, {
        hint: "Check env.vision_base_url (it usually ends in /v1) and env.vision_model.",
      });
    }
    if (status >= 400) return { error: `The vision server can't take the image: ${excerpt(body)}` };
    const parsed = completion.safeParse(body);
    if (!parsed.success) {
      throw new LachesisError(
        "TOOL_SERVICE_FAILED",
        `The vision server's answer can't be read: ${excerpt(body)}`,
        {
          hint: "Check that env.vision_base_url is an OpenAI-compatible API.",
          retryable: true,
        },
      );
    }
    return { analysis: parsed.data.choices[0].message.content ?? "" };
  }
}
