/** What the policy server refuses, and in which words. */
import type { FastifyReply, FastifyRequest } from "fastify";
import { z } from "zod";
import { LachesisError } from "../contracts/errors.ts";
import { BadRequest } from "../practice/bad-request.ts";
import { openAiRefusal } from "../practice/wire/openai-logprobs.ts";

/**
 * No web page has business here. A browser lets any page send requests to a server on this machine and says where
 * they come from, which pages can't forge; programs send neither header.
 */
export async function refuseStrangers({ headers }: FastifyRequest): Promise<void> {
  const { origin, "sec-fetch-site": site } = headers;
  if (origin === undefined && (site === undefined || site === "none")) return;
  throw withStatus(403, "Requests of web pages are not allowed");
}

const unsupported: Readonly<Record<string, (value: unknown) => boolean>> = {
  presence_penalty: (value) => value === 0,
  frequency_penalty: (value) => value === 0,
  min_tokens: (value) => value === 0,
  ignore_eos: (value) => value === false,
  logit_bias: () => false,
  bad_words: () => false,
  allowed_token_ids: () => false,
  prompt_logprobs: () => false,
  structured_outputs: () => false,
  response_format: () => false,
};

/** A field that would change what is sampled, and can't, is refused rather than passed over. Throws BadRequest. */
export function refuseUnsupported(body: unknown): void {
  for (const part of [body, ofName(body, "sampling_params")]) {
    for (const [name, isOff] of Object.entries(unsupported)) {
      const value = ofName(part, name);
      if (value === undefined || value === null || isOff(value)) continue;
      throw new BadRequest(`The tiny policy doesn't support ${name}`);
    }
  }
}

function ofName(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null && Object.hasOwn(value, name)
    ? Object.getOwnPropertyDescriptor(value, name)?.value
    : undefined;
}

export function withStatus(statusCode: number, message: string): Error {
  return Object.assign(new Error(message), { statusCode });
}

/** Errors in vLLM's shape. */
export function answerError(thrown: unknown, _request: FastifyRequest, reply: FastifyReply): FastifyReply {
  // The client is gone, or the server closes: nobody reads it.
  if (thrown instanceof Error && thrown.name === "AbortError") {
    return reply.code(503).send(openAiRefusal(503, "The server is closing"));
  }
  const { status, message } = describe(thrown);
  return reply.code(status).send(openAiRefusal(status, message));
}

function describe(thrown: unknown): { status: number; message: string } {
  if (thrown instanceof z.ZodError) return { status: 400, message: z.prettifyError(thrown) };
  if (thrown instanceof BadRequest) return { status: 400, message: thrown.message };
  if (thrown instanceof LachesisError) return { status: statusOf(thrown), message: thrown.message };
  if (!(thrown instanceof Error)) return { status: 500, message: String(thrown) };
  const status = "statusCode" in thrown && typeof thrown.statusCode === "number" ? thrown.statusCode : 500;
  return { status, message: thrown.message };
}

function statusOf({ code }: LachesisError): number {
  switch (code) {
    case "INFERENCE_REJECTED":
    case "INFERENCE_CONTEXT_FULL":
    case "CHAT_TEMPLATE_REFUSED":
    case "CHAT_TEMPLATE_FAILED":
    case "WEIGHTS_INVALID":
      return 400;
    case "POLICY_ENGINE_ENDED":
      return 503;
    default:
      return 500;
  }
}
