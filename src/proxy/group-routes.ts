/** `POST /groups`: the rollouts of one task, each with its score, become one scored group. */
import type { FastifyReply } from "fastify";
import { z } from "zod";
import { tokenFields } from "../env/token-fields.ts";
import type { GroupDesk } from "./group-desk.ts";
import { jsonObject, readBody } from "./model-api.ts";
import type { ProxyParts } from "./proxy-parts.ts";
import { invalidRequest, ProxyRefusal } from "./proxy-refusal.ts";

const groupBody = z.strictObject({
  sessions: z
    .array(z.strictObject({ session_id: z.string(), score: z.number() }))
    .min(1)
    .max(1_024),
  /** Under a name a group counts once at the rollout API. Default: made of the sessions' ids. */
  group_id: z.string().min(1).max(200).optional(),
  segments: tokenFields.segments,
  mask_truncated: tokenFields.mask_truncated,
  advantage: tokenFields.advantage,
  include_messages: z.boolean().default(true),
  group_overrides: jsonObject.default({}),
  /** Answer with the group itself, also where it was submitted. */
  return_group: z.boolean().default(false),
});

export function addGroupRoutes({ app, sessions, guard, closing }: ProxyParts, desk: GroupDesk): void {
  const onRequest = async (request: Parameters<typeof guard.requireAdmin>[0]) => guard.requireAdmin(request);
  app.post("/groups", { onRequest }, async (request, reply) => {
    const body = readBody(groupBody, request.body);
    const {
      sessions: scored,
      group_id: name,
      group_overrides: groupOverrides,
      return_group,
      ...settings
    } = body;
    if (new Set(scored.map(({ session_id: id }) => id)).size < scored.length) {
      throw invalidRequest("sessions: a session can be scored once", "sessions");
    }
    const rollouts = scored.map(({ session_id: id, score }) => ({ session: sessions.get(id), score }));
    const empty = rollouts.filter(({ session }) => session.managed.segments().length === 0);
    if (empty.length > 0) throw nothingSampled(empty.map(({ session }) => session.id));
    for (const { session } of rollouts) session.close("it is being scored");
    const groupId = name ?? scored.map(({ session_id: id }) => id).join("+");
    const receipt = await desk.take(
      rollouts.map(({ session: { managed }, score }) => ({
        segments: managed.segments(),
        sampling: managed.samplingRecord(),
        score,
      })),
      { ...settings, groupOverrides },
      { groupId, signal: AbortSignal.any([closing, hangUp(reply)]) },
    );
    // Only now: a group that could not be handed over can be asked for again.
    for (const { session } of rollouts) sessions.remove(session, "scored");
    const { group, submitted, leftOut } = receipt;
    return {
      group_id: groupId,
      sequences: group.tokens.length,
      left_out: leftOut,
      submitted: submitted !== null,
      buffered: submitted?.buffered ?? false,
      ...((return_group || submitted === null) && { group }),
    };
  });
}

function nothingSampled(ids: readonly string[]): ProxyRefusal {
  return new ProxyRefusal({
    status: 422,
    type: "invalid_request_error",
    code: "empty_rollout",
    message: `Nothing was sampled in ${ids.join(", ")}: there is nothing to train on.`,
    param: "sessions",
  });
}

/** Aborts when the client leaves unanswered. */
function hangUp({ raw }: FastifyReply): AbortSignal {
  const gone = new AbortController();
  raw.once("close", () => {
    if (!raw.writableFinished) gone.abort(new DOMException("The client hung up.", "AbortError"));
  });
  return gone.signal;
}
