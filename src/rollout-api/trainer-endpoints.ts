/** What a trainer calls to open a run, and what everybody may ask about one. */
import { randomUUID } from "node:crypto";
import { jsonAnswer, textAnswer } from "./answer.ts";
import { answering, type Endpoint, type WireMode } from "./endpoint.ts";
import { readBody } from "./request-body.ts";
import { trainerRequestReader } from "./request-models.ts";
import type { TrainerNotices } from "./trainer-notices.ts";

export function trainerEndpoints({ compat }: WireMode, notices: TrainerNotices): Endpoint[] {
  const readTrainer = trainerRequestReader({ compat });
  const reset: Omit<Endpoint, "method"> = {
    path: "/reset_data",
    audience: "admin",
    effect: "destroy",
    takesBody: false,
    onUnknownRun: "answer-as-closed",
    handle: async ({ store, run }) => {
      await store.reset();
      notices.onReset(run);
      return textAnswer("Reset successful");
    },
  };
  const look = {
    audience: "reader",
    effect: "read",
    takesBody: false,
    onUnknownRun: "answer-as-closed",
  } as const;
  return [
    {
      ...look,
      method: "GET",
      path: "/",
      handle: async () => jsonAnswer('{"message":"AtroposLib API"}'),
    },
    {
      method: "POST",
      path: "/register",
      audience: "trainer",
      effect: "change",
      takesBody: true,
      onUnknownRun: "make",
      handle: ({ request, body, store, run }) =>
        answering(readBody(request, body, readTrainer), async ({ registration, trainerKind }) => {
          const inForce = await store.register(registration);
          const warnings = notices.onRegister(run, { trainerKind, asked: registration, inForce });
          const advice = trainerKind === null ? "" : `,"warnings":${JSON.stringify(warnings)}`;
          return jsonAnswer(`{"uuid":${randomInteger()}${advice}}`);
        }),
    },
    {
      ...look,
      method: "GET",
      path: "/info",
      handle: async ({ store }) => {
        const { batchSize, maxTokenLength } = await store.info();
        return jsonAnswer(`{"batch_size":${batchSize},"max_token_len":${maxTokenLength}}`);
      },
    },
    {
      ...look,
      method: "GET",
      path: "/status",
      handle: async ({ store }) => {
        const { currentStep, queuedGroups } = await store.status();
        return jsonAnswer(`{"current_step":${currentStep},"queue_size":${queuedGroups}}`);
      },
    },
    {
      ...look,
      method: "GET",
      path: "/wandb_info",
      handle: async ({ store }) => {
        const { group, project } = await store.wandbInfo();
        return jsonAnswer(JSON.stringify({ group, project }));
      },
    },
    { ...reset, method: "GET" },
    ...(compat ? [] : [{ ...reset, method: "POST" as const }]),
  ];
}

/** 128 random bits, as the digits of a JSON number. */
function randomInteger(): string {
  return BigInt(`0x${randomUUID().replaceAll("-", "")}`).toString();
}
