/** What an endpoint is: whom it is for, what it does to a run, and how it makes its answer. */
import type { FastifyReply, FastifyRequest } from "fastify";
import type { Audience } from "./access.ts";
import type { Answer, PartedAnswer } from "./answer.ts";
import type { DeliveryWatch } from "./delivery.ts";
import type { GroupStore } from "./group-store.ts";
import type { Effect } from "./origin-guard.ts";
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
  /** The body, inflated unless the endpoint does that; empty when there is none. */
  body: Buffer;
  /** The body is gzip. */
  isZipped: boolean;
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
  /** Gets the body as it came, and inflates it itself. */
  inflatesBody?: true;
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
