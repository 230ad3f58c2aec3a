/** How long the demo learns, of how much, and what it has to reach. */

export type DemoSettings = {
  seed: number;
  /** Steps of the trainer, at most. */
  steps: number;
  /** Seconds from the demo's start after which the trainer does no further step. */
  seconds: number;
  /** Rollouts that a step learns from, in groups of `groupSize`. */
  batchSize: number;
  /** Held-out problems of each evaluation. */
  evalItems: number;
  /** Rollouts of the teacher: as data to learn from, or only to see how good it is. */
  teacherRollouts: number;
  supervisedSteps: number;
  /** Make the weights of the supervised stage instead of taking those that ship. */
  isFromScratch: boolean;
  isRandomReward: boolean;
  /** How much the accuracy on held-out problems has to rise for the demo to have shown something. */
  margin: number;
};

export const groupSize = 8;

/** What `demo` does unless told otherwise, and what it does with --quick. */
export const full = { steps: 280, seconds: 165, batchSize: 64, evalItems: 256, margin: 0.3 };
export const quick = { steps: 30, seconds: 60, batchSize: 64, evalItems: 128, margin: 0.1 };

/** All that --from-scratch has time for, since a third of it goes to the first weights. */
const fromScratchSteps = 130;

export type DemoChoices = {
  quick?: boolean;
  seed: number;
  steps?: number;
  seconds?: number;
  fromScratch?: boolean;
  randomReward?: boolean;
};

export function demoSettings(choices: DemoChoices): DemoSettings {
  const { seed, fromScratch = false, randomReward = false } = choices;
  const size = choices.quick === true ? quick : full;
  return {
    ...size,
    seed,
    steps: choices.steps ?? (fromScratch ? Math.min(size.steps, fromScratchSteps) : size.steps),
    seconds: choices.seconds ?? size.seconds,
    teacherRollouts: fromScratch ? 2000 : 64,
    supervisedSteps: 800,
    isFromScratch: fromScratch,
    isRandomReward: randomReward,
  };
}
