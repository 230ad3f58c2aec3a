/** How groups come in, one by one and as lists. */
import { hash } from "node:crypto";
import { type Answer, detailAnswer, jsonAnswer, problemsAnswer } from "./answer.ts";
import { answering, type Call, type Endpoint, type WireMode } from "./endpoint.ts";
import type { EncodedGroup } from "./group-fields.ts";
import { GroupReader } from "./group-reader.ts";
import { GroupScanner } from "./group-scanner.ts";
import type { Placement, SubmitAnswer } from "./group-store.ts";
import { readBody } from "./request-body.ts";
import type { TrainerNotices } from "./trainer-notices.ts";
import type { Location } from "./validation.ts";

const NO_EXAMPLE =
  '{"tokens":[],"masks":[],"scores":[],"advantages":[],"ref_logprobs":[],"generation_params":[],"inference_logprobs":[],"messages":[],"images":[]}';

export function submissionEndpoints({ compat }: WireMode, notices: TrainerNotices): Endpoint[] {
  const scanner = new GroupScanner({ strict: !compat });
  const { readGroup, readGroups } = new GroupReader({ strict: !compat });
  const submit = {
    method: "POST",
    audience: "env",
    effect: "change",
    takesBody: true,
    onUnknownRun: "refuse",
  } as const;
  return [
    {
      ...submit,
      path: "/scored_data",
      handle: (call) =>
        answering(
          readBody(call.request, call.body, readGroup, (bytes) => scanner.scanGroup(bytes)),
          async (group) => {
            const key = compat ? undefined : idempotencyKey(call);
            const answer = await call.store.submit([identified(group, key)]);
            if (answer.kind !== "accepted") return refusal(answer, ["body"], compat);
            notices.onGroups(call.run, [group]);
            const [placement] = answer.placements;
            if (placement?.kind !== "buffered") return jsonAnswer('{"status":"received"}');
            return jsonAnswer(`{"status":"buffered","buffer_size":${placement.sequencesLeft}}`);
          },
        ),
    },
    {
      ...submit,
      path: "/scored_data_list",
      handle: (call) =>
        answering(
          readBody(call.request, call.body, readGroups, (bytes) => scanner.scanGroups(bytes)),
          async (groups) => {
            const key = compat ? undefined : idempotencyKey(call);
            const answer = await call.store.submit(
              groups.map((group, index) => identified(group, key && `${key}[${index}]`)),
            );
            if (answer.kind === "unpackable") return refusal(answer, ["body", answer.index], compat);
            if (answer.kind === "full") return refusal(answer, ["body"], compat);
            notices.onGroups(call.run, groups);
            return jsonAnswer(encodePlacements(answer.placements));
          },
        ),
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

/**
 * The group with the name under which a store knows it again: the sender's name for it, and what it holds. A
 * retry has both in common; another group under a name that its sender uses twice is not mistaken for one.
 */
function identified(group: EncodedGroup, key: string | undefined): EncodedGroup {
  const name = group.groupId ?? key;
  if (name === undefined) return group;
  return { ...group, groupId: `${name} ${hash("sha1", group.body, "base64url")}` };
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
