/**
 * How batches leave. A plain GET /batch is settled by what becomes of its answer (delivery.ts). A trainer that
 * wants to be sure asks for a lease: it says itself that it has the batch, or gives it back, and a lease that
 * runs out is served again.
 */
import type { ServerResponse } from "node:http";
import { type Answer, detailAnswer, jsonAnswer, type PartedAnswer, problemsAnswer } from "./answer.ts";
import type { DeliveryOutcome } from "./delivery.ts";
import { answering, type Call, type Endpoint, type WireMode } from "./endpoint.ts";
import { type BodyReading, queryOf, readBody } from "./request-body.ts";
import { readLeaseId, readLeaseSeconds } from "./request-models.ts";
import type { Problems } from "./validation.ts";

const NOT_REGISTERED =
  '{"status":"error","message":"Trainer not registered. Call /register first.","batch":[]}';

export function batchEndpoints({ compat }: WireMode): Endpoint[] {
  const take: Endpoint = {
    method: "GET",
    path: "/batch",
    audience: "trainer",
    effect: "change",
    takesBody: false,
    onUnknownRun: "answer-as-closed",
    handle: (call) =>
      answering(compat ? { ok: true, model: null } : readLease(call), async (leaseSeconds) =>
        takeBatch(call, { leaseSeconds, settlesAtOnce: compat }),
      ),
  };
  return compat ? [take] : [take, settleEndpoint("ack", "taken"), settleEndpoint("nack", "returned")];
}

async function takeBatch(
  { request, reply, store, deliveries, goOn }: Call,
  { leaseSeconds, settlesAtOnce }: { leaseSeconds: number | null; settlesAtOnce: boolean },
): Promise<Answer | PartedAnswer> {
  const answer = await store.takeBatch({ leaseSeconds });
  if (answer.kind === "not-registered") return jsonAnswer(NOT_REGISTERED);
  if (answer.kind === "none-ready") return jsonAnswer('{"batch":null}');

  const { leaseId, bodies, release } = answer;
  if (release !== undefined) whenOver(reply.raw, release);
  if (settlesAtOnce) await store.settleBatch(leaseId, "taken");
  else {
    const settle = async (outcome: DeliveryOutcome) => {
      const how = settlementOf(outcome, leaseSeconds !== null);
      if (how !== null) await store.settleBatch(leaseId, how);
    };
    goOn(deliveries.watch(request.raw, reply.raw).then(settle));
  }
  const parts = encodeBatch(bodies, leaseSeconds === null ? null : leaseId);
  return { status: 200, contentType: "application/json", parts };
}

/** Calls back when the answer is with the system, or can't get there any more. */
function whenOver(response: ServerResponse, callback: () => void): void {
  if (response.destroyed) callback();
  else response.once("close", callback);
}

/** null = left to the trainer. A trainer that never saw the end of the answer does not know its lease. */
function settlementOf(outcome: DeliveryOutcome, isLeased: boolean): "taken" | "returned" | null {
  if (outcome === "broken") return "returned";
  if (isLeased) return null;
  return outcome === "delivered" ? "taken" : "returned";
}

function settleEndpoint(verb: "ack" | "nack", how: "taken" | "returned"): Endpoint {
  return {
    method: "POST",
    path: `/batch/${verb}`,
    audience: "trainer",
    effect: "change",
    takesBody: true,
    onUnknownRun: "refuse",
    handle: ({ request, body, store }) =>
      answering(readBody(request, body, readLeaseId), async (leaseId) => {
        if (await store.settleBatch(leaseId, how)) return jsonAnswer('{"status":"success"}');
        return detailAnswer(
          404,
          "This lease is not open: it expired, was settled otherwise, or never was. Its batch, if not acknowledged, is served again.",
        );
      }),
  };
}

/** The seconds that the query asks for; null = a plain GET. */
function readLease({ request }: Call): BodyReading<number | null> {
  const value = queryOf(request).get("lease");
  if (value === null) return { ok: true, model: null };
  const problems: Problems = [];
  const seconds = readLeaseSeconds(value, problems);
  return seconds === undefined
    ? { ok: false, answer: problemsAnswer(problems) }
    : { ok: true, model: seconds };
}

const BATCH_START = Buffer.from('{"batch":[');
const BATCH_END = Buffer.from("]}");
const COMMA = Buffer.from(",");

/** Bodies are final JSON text: a batch is only strung together. */
function encodeBatch(bodies: readonly Buffer[], leaseId: string | null): Buffer[] {
  const parts = bodies.flatMap((body, index) => (index === 0 ? [body] : [COMMA, body]));
  const end = leaseId === null ? BATCH_END : Buffer.from(`],"lease_id":${JSON.stringify(leaseId)}}`);
  return [BATCH_START, ...parts, end];
}
