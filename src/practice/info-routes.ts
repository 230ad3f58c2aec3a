/** The small endpoints that clients of inference servers ask before, between and after generations. */
import type { FastifyInstance } from "fastify";
import { z } from "zod";
import type { ChatTemplate } from "../tokens/chat-template.ts";
import type { TokenPlayer } from "./token-player.ts";

/** What every server has, with a tokenizer or without. */
export function addInfoRoutes(
  app: FastifyInstance,
  options: { modelName: string; createdSeconds: number; maxModelLength: number },
): void {
  for (const path of ["/health", "/health/", "/health_generate", "/ping"]) {
    app.get(path, () => ({ status: "ok" }));
  }
  app.get("/v1/models", () => ({
    object: "list",
    data: [
      {
        id: options.modelName,
        object: "model",
        created: options.createdSeconds,
        owned_by: "lachesis",
        max_model_len: options.maxModelLength,
      },
    ],
  }));
}

const ids = z.object({ tokens: z.array(z.int().min(0)) });
const newVersion = z.object({ new_version: z.string().min(1) });

/** What servers have that take ids. */
export function addModelRoutes(
  app: FastifyInstance,
  {
    player,
    modelName,
    chatTemplate,
  }: { player: TokenPlayer; modelName: string; chatTemplate: ChatTemplate | null },
): void {
  const { sampler, weightVersion } = player;
  const { tokenizer, contextLength } = sampler;
  for (const path of ["/model_info", "/get_model_info"]) {
    app.get(path, () => ({
      model_path: modelName,
      tokenizer_path: tokenizer.name,
      is_generation: true,
      weight_version: weightVersion.current,
    }));
  }
  for (const path of ["/server_info", "/get_server_info"]) {
    app.get(path, () => ({
      model_path: modelName,
      context_length: contextLength,
      weight_version: weightVersion.current,
    }));
  }
  app.get("/props", () => ({
    default_generation_settings: { n_ctx: contextLength },
    model_path: modelName,
    chat_template: chatTemplate?.source ?? "",
    total_slots: 1,
  }));
  app.get("/weight_info", () => ({ weight_version: weightVersion.current }));
  app.get("/bridge/info", () => ({ update_count: weightVersion.updates }));
  app.post("/update_weight_version", ({ body }) => {
    weightVersion.update(newVersion.parse(body).new_version);
    return { success: true, weight_version: weightVersion.current };
  });
  for (const path of ["/tokenize", "/v1/tokenize"]) app.post(path, ({ body }) => tokenize(body));
  for (const path of ["/detokenize", "/v1/detokenize"]) {
    app.post(path, ({ body }) => {
      const text = tokenizer.decode(ids.parse(body).tokens);
      // vLLM's, SGLang's and llama.cpp's name for it.
      return { prompt: text, text, content: text };
    });
  }

  const tokenizeRequest = z.union([
    z.object({ prompt: z.string(), add_special_tokens: z.boolean().default(true) }),
    // llama.cpp's.
    z.object({ content: z.string(), add_special: z.boolean().default(false) }),
  ]);

  function tokenize(body: unknown) {
    const parsed = tokenizeRequest.parse(body);
    const tokens =
      "prompt" in parsed
        ? tokenizer.encode(parsed.prompt, { addSpecialTokens: parsed.add_special_tokens })
        : tokenizer.encode(parsed.content, { addSpecialTokens: parsed.add_special });
    return { count: tokens.length, max_model_len: contextLength, tokens, token_strs: null };
  }
}
