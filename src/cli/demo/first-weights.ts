/** What the demo's policy begins with: the weights that ship, or the same made anew from the teacher. */
import { join } from "node:path";
import { TinyMathsTeacher } from "../../../environments/tiny-maths-teacher.ts";
import { practiceConfig } from "../../practice/practice-config.ts";
import { startPracticeServer } from "../../practice/practice-server.ts";
import { initialPolicy, readPolicyWeights } from "../../tiny-policy/policy-weights.ts";
import type { PolicyWeights } from "../../tiny-policy/weights-file.ts";
import type { LoadedTokenizer } from "../../tokens/load-tokenizer.ts";
import { learnFromTeacher, playTeacher, type StageContext } from "./demo-stages.ts";
import { runStage } from "./run-stage.ts";

/** Made by scripts/make-tiny-weights.ts. */
export const shippedWeights = join(import.meta.dirname, "../../tiny-policy/weights/sft.safetensors");

/** Plays the teacher; returns the file of its groups. */
export async function askTeacher(context: StageContext, model: LoadedTokenizer): Promise<string> {
  await using practice = await startPracticeServer({
    teacher: new TinyMathsTeacher(),
    model,
    config: practiceConfig.parse({ seed: context.settings.seed, model_name: "tiny-policy" }),
  });
  return await runStage(context, "process", () => playTeacher(context, practice.url));
}

/** The stages `process` and `sft`. */
export async function makeTeacherWeights(
  context: StageContext,
  model: LoadedTokenizer,
): Promise<PolicyWeights> {
  const data = await askTeacher(context, model);
  const policy = initialPolicy({
    vocabularySize: model.tokenizer.vocabularySize,
    seed: context.settings.seed,
  });
  return await runStage(context, "sft", () => learnFromTeacher(context, { policy, data }));
}

export function readShippedWeights({ drain }: StageContext): Promise<PolicyWeights> {
  return readPolicyWeights(shippedWeights, { signal: drain });
}
