/** How groups come in, one by one and as lists. */
import { type Answer, detailAnswer, jsonAnswer, problemsAnswer } from "./answer.ts";
import type { Call, Endpoint, WireMode } from "./endpoint.ts";
import type { Placement, SubmitAnswer } from "./group-store.ts";
import type { IntakePool } from "./intake/intake-pool.ts";
import { isJson } from "./request-body.ts";
import type { TrainerNotices } from "./trainer-notices.ts";
import type { Location } from "./validation.ts";

const NO_EXAMPLE =
  '{"tokens":[],"masks":[],"scores":[],"advantages":[],"ref_logprobs":[],"generation_params":[],"inference_logprobs":[],"messages":[],"images":[]}';

export function submissionEndpoints(
  { compat }: WireMode,
  { notices, intake }: { notices: TrainerNotices; intake: IntakePool },
): Endpoint[] {
  const submit = {
    method: "POST",
    audience: "env",
    effect: "change",
    takesBody: true,
    takesUpload: true,
    onUnknownRun: "refuse",
  } as const;
  /** Reads and stores groups; what became of them, or the refusal. */
  const store = async (call: Call, isList: boolean): Promise<readonly Placement[] | Answer> => {
    const { request, upload } = call;
    const key = idempotencyKey(call);
    const reading = await intake.read({ ...upload, isJson: isJson(request), isList, key });
    if (!reading.ok) return reading.answer;
    const answer = await call.store.submit(reading.model);
    if (answer.kind === "unpackable") {
      return refusal(answer, isList ? ["body", answer.index] : ["body"], compat);
    }
    if (answer.kind === "full") return refusal(answer, ["body"], compat);
    notices.onGroups(call.run, reading.model);
    return answer.placements;
  };
  return [
    {
      ...submit,
      path: "/scored_data",
      handle: async (call) => {
        const stored = await store(call, false);
        if ("status" in stored) return stored;
        const [placement] = stored;
        if (placement?.kind !== "buffered") return jsonAnswer('{"status":"received"}');
        return jsonAnswer(`{"status":"buffered","buffer_size":${placement.sequencesLeft}}`);
      },
    },
    {
      ...submit,
      path: "/scored_data_list",
      handle: async (call) => {
        const stored = await store(call, true);
        return "status" in stored ? stored : jsonAnswer(encodePlacements(stored));
      },
    },
    {
      method: "GET",
      path: "/latest_example",
      audience: "reader",
      effect: "read",
      takesBody: false,
      onUnknownRun: "answer-as-closed",
      handle: async ({ store }) => jsonAnswer((await store.latestExample()) ?? NO_EXAMPLE),
    },
  ];
}

function idempotencyKey({ request }: Call): string | undefined {
  const key = request.headers["idempotency-key"];
  return typeof key === "string" && key !== "" ? key : undefined;
}

function refusal(
  answer: Exclude<SubmitAnswer, { kind: "accepted" }>,
  loc: Location,
  compat: boolean,
): Answer {
  if (answer.kind === "unpackable") {
    const problem = { type: "value_error", loc: [...loc, "tokens"], input: "null", ctx: '{"error":{}}' };
    return problemsAnswer([{ ...problem, msg: `Value error, ${answer.reason}` }]);
  }
  // The original's clients try again after a 5xx and drop the group at a 4xx.
  return detailAnswer(compat ? 503 : 429, "The queue is full: try again when the trainer has taken batches", {
    "retry-after": String(Math.max(1, Math.ceil(answer.retryAfterSeconds))),
  });
}

function encodePlacements(placements: readonly Placement[]): string {
  const buffered = placements.filter((placement) => placement.kind === "buffered");
  const last = buffered.at(-1);
  const tail =
    last === undefined ? "" : `,"buffered":${buffered.length},"last_buffer_size":${last.sequencesLeft}`;
  return `{"status":"received","groups_processed":${placements.length}${tail}}`;
}
