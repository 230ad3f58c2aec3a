/**
 * Checkpoints: `<directory>/step-<n>/` with weights.safetensors, the optimizer's two averages in the same format,
 * and state.json. A checkpoint appears whole or not at all; the newest is the one to go on from.
 */
import { readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { LachesisError } from "../contracts/errors.ts";
import { unwritable } from "../data/jsonl-file.ts";
import { makeDirectory } from "../data/make-directory.ts";
import { decodeWeights, encodeWeights } from "../tiny-policy/weights-file.ts";
import type { LearnerState } from "./learner.ts";

export type TrainerMode = "grpo" | "sft";
export type Checkpoint = { mode: TrainerMode; learner: LearnerState };

const weightsFile = "weights.safetensors";
const meanFile = "adam-mean.safetensors";
const varianceFile = "adam-variance.safetensors";
const stateFile = "state.json";
const savedState = z.object({
  mode: z.enum(["grpo", "sft"]),
  step: z.int().min(0),
  optimizer_steps: z.int().min(0),
});

/** Returns the checkpoint's folder. One of the same step is replaced. Rejects with OUTPUT_UNWRITABLE. */
export async function saveCheckpoint(directory: string, { mode, learner }: Checkpoint): Promise<string> {
  const { policy, adam } = learner;
  const path = join(directory, `step-${policy.version}`);
  const unfinished = `${path}.part`;
  const state = { mode, step: policy.version, optimizer_steps: adam.steps };
  try {
    await rm(unfinished, { recursive: true, force: true });
    await makeDirectory(unfinished);
    await writeFile(join(unfinished, weightsFile), encodeWeights(policy));
    await writeFile(join(unfinished, meanFile), encodeWeights({ ...policy, weights: adam.mean }));
    await writeFile(join(unfinished, varianceFile), encodeWeights({ ...policy, weights: adam.variance }));
    await writeFile(join(unfinished, stateFile), `${JSON.stringify(state)}\n`);
    await rm(path, { recursive: true, force: true });
    await rename(unfinished, path);
  } catch (error) {
    throw unwritable(path, error);
  }
  return path;
}

/**
 * A checkpoint's own folder, or the newest of the folder that they are in. Rejects with CHECKPOINT_INVALID or
 * WEIGHTS_INVALID.
 */
export async function loadCheckpoint(path: string): Promise<Checkpoint & { path: string }> {
  const found = (await newestIn(path)) ?? path;
  const read = async (file: string) => {
    try {
      return await readFile(join(found, file));
    } catch (cause) {
      throw new LachesisError("CHECKPOINT_INVALID", `${path}: expected a checkpoint with ${file} in it`, {
        cause,
      });
    }
  };
  const state = savedState.safeParse(parseJson((await read(stateFile)).toString()));
  if (!state.success) {
    throw new LachesisError(
      "CHECKPOINT_INVALID",
      `${join(found, stateFile)}: ${z.prettifyError(state.error)}`,
    );
  }
  const decode = async (file: string) => decodeWeights(await read(file), join(found, file));
  const policy = await decode(weightsFile);
  const { mode, step, optimizer_steps: steps } = state.data;
  if (policy.version !== step) {
    throw new LachesisError(
      "CHECKPOINT_INVALID",
      `${found}: the state is of step ${step}, the weights are of step ${policy.version}`,
    );
  }
  const adam = {
    steps,
    mean: (await decode(meanFile)).weights,
    variance: (await decode(varianceFile)).weights,
  };
  return { path: found, mode, learner: { policy, adam } };
}

async function newestIn(directory: string): Promise<string | null> {
  const names = await readdir(directory).catch(() => []);
  const steps = names.flatMap((name) => /^step-(\d+)$/.exec(name)?.[1] ?? []).map(Number);
  return steps.length === 0 ? null : join(directory, `step-${Math.max(...steps)}`);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
