/**
 * On-policy distillation: the student plays, and a teacher tells what it would have said at each place where the
 * student sampled. Rows, prompts and tools are math-agent's or any dataset's; the reward is whatever is configured
 * (`constant` where the teacher alone should teach). docs/distillation.md tells what trainers get.
 */
import { z } from "zod";
import type { RewardItem } from "../rewards/reward.ts";
import { LachesisError, toLachesisError } from "../src/contracts/errors.ts";
import type { TeacherModel } from "../src/contracts/teacher-model.ts";
import type { PrepareOptions } from "../src/env/base-env.ts";
import { distillGroup, distillTargets } from "../src/env/distill-group.ts";
import type { EnvDefaults } from "../src/env/env-class.ts";
import type { GroupContext, GroupResult } from "../src/env/group.ts";
import { teacherConfig } from "../src/inference/teacher/teacher-config.ts";
import { MathAgentEnv, mathAgentConfig } from "./math-agent.ts";

export const opdConfig = mathAgentConfig.extend({
  teacher: teacherConfig
    .nullable()
    .default(null)
    .describe(
      "The teacher: a vLLM or SGLang server of a model with the student's tokenizer (docs/distillation.md).",
    ),
  distill_targets: z
    .enum(distillTargets)
    .default("top")
    .describe(
      "What the teacher tells of a place: its distill_topk likeliest tokens (top), or the token that the student sampled (sampled), for trainers that take one.",
    ),
  distill_topk: z
    .int()
    .min(1)
    .default(20)
    .describe("Choices of the teacher a place, with distill_targets top."),
});

type OpdConfig = z.output<typeof opdConfig>;

export class OpdEnv extends MathAgentEnv<OpdConfig> {
  static override readonly envName: string = "opd";
  static override readonly description: string =
    "On-policy distillation: a teacher's log-probabilities of what the student sampled.";
  static override readonly configSchema: z.ZodObject = opdConfig;
  static override readonly defaults: EnvDefaults<OpdConfig> = {
    env: {
      enabled_toolsets: ["python"],
      max_agent_turns: 12,
      reward: { type: "accuracy", weight: 1, params: { problem_field: "problem" } },
      // Equal scores teach nothing, but the teacher does.
      ensure_scores_are_not_same: false,
    },
  };

  #proved: TeacherModel | undefined;

  /** Where groups are wanted, proves before the first rollout that the teacher can teach. */
  override async prepare(options: PrepareOptions): Promise<void> {
    await super.prepare(options);
    const { purpose, signal } = options;
    if (purpose === "serve" || purpose === "process") await this.#openTeacher(signal);
  }

  override async collectGroup(item: RewardItem, context: GroupContext): Promise<GroupResult> {
    const { signal } = context;
    try {
      const teacher = await this.#openTeacher(signal);
      const result = await super.collectGroup(item, context);
      if (result.kind !== "collected") return result;
      const { distill_targets: targets, distill_topk: k } = this.config;
      const { group, places, reverseKl } = await distillGroup(result.group, { teacher, targets, k, signal });
      this.recordMetric("opd/places", places);
      if (reverseKl !== null) this.recordMetric("opd/reverse_kl", reverseKl);
      return { kind: "collected", group };
    } catch (thrown) {
      signal.throwIfAborted();
      const error = toLachesisError(thrown, "INTERNAL", `distillation of group ${context.groupId}`);
      return { kind: "failed", stage: "inference", error, retryable: error.retryable };
    }
  }

  /** Until it has proved itself, it is asked each time. */
  async #openTeacher(signal: AbortSignal): Promise<TeacherModel> {
    this.#proved ??= await this.#prove(signal);
    return this.#proved;
  }

  async #prove(signal: AbortSignal): Promise<TeacherModel> {
    const { teacher } = this.services;
    if (teacher === undefined) {
      throw new LachesisError(
        "CONFIG_INVALID",
        this.config.teacher === null
          ? "opd distils from a teacher, and env.teacher is not set."
          : "opd distils token ids, and openai.server_type openai gives none.",
        {
          hint: "Set env.teacher.base_url and env.teacher.model_name, and openai.server_type to vllm or sglang (docs/distillation.md).",
        },
      );
    }
    const { distill_targets: targets, distill_topk: k } = this.config;
    await teacher.prove({ top: targets === "top" ? k : 0, signal });
    return teacher;
  }
}

export default OpdEnv;

if (import.meta.main) await OpdEnv.cli();
