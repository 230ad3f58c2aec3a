/** What an endpoint is: whom it is for, what it does to a run, and how it makes its answer. */
import type { FastifyReply, FastifyRequest } from "fastify";
import type { Audience } from "./access.ts";
import type { Answer, PartedAnswer } from "./answer.ts";
import type { DeliveryWatch } from "./delivery.ts";
import type { GroupStore } from "./group-store.ts";
import type { Effect } from "./origin-guard.ts";
import type { Upload } from "./receive-body.ts";
import type { BodyReading } from "./request-body.ts";

/** The choices in which the wire of the original is not the only sensible one. */
export type WireMode = {
  /** Just as the Atropos server has it: lenient input, no leases, no idempotency, its CORS. */
  compat: boolean;
};

/** One request to one run. */
export type Call = {
  request: FastifyRequest;
  reply: FastifyReply;
  /** The run's name. */
  run: string;
  store: GroupStore;
  /** The body, inflated; empty when there is none, or the endpoint takes it as it came. */
  body: Buffer;
  /** The body as it came, for endpoints that take it so. */
  upload: Upload;
  deliveries: DeliveryWatch;
  /** Takes over what goes on after the answer: its failure is logged, and closing waits for it. */
  goOn: (work: Promise<void>) => void;
};

export type Endpoint = {
  method: "GET" | "POST";
  /** Without the run's prefix. */
  path: string;
  audience: Audience;
  effect: Effect;
  takesBody: boolean;
  /** Takes the body as it came (`upload`). */
  takesUpload?: true;
  /** For a run that nobody registered: make it, refuse (404), or answer as a run does before it is opened. */
  onUnknownRun: "make" | "refuse" | "answer-as-closed";
  handle: (call: Call) => Promise<Answer | PartedAnswer>;
};

/** Handles what could be read; a refusal is its own answer. */
export async function answering<Model, Answered extends Answer | PartedAnswer>(
  reading: BodyReading<Model>,
  handle: (model: Model) => Promise<Answered>,
): Promise<Answer | Answered> {
  return reading.ok ? handle(reading.model) : reading.answer;
}
