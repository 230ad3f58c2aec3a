/** Learning rates over a run: a rise over the warmup steps, then a straight line to a share of the peak. */

export type LearningRateOptions = {
  peak: number;
  warmupSteps: number;
  /** The line's length; 0 = the rate stays at its peak. */
  totalSteps: number;
  /** Share of the peak at the end of the line. */
  finalShare: number;
};

/** Of a step, counted from 0. */
export function learningRateAt(
  step: number,
  { peak, warmupSteps, totalSteps, finalShare }: LearningRateOptions,
): number {
  const rise = Math.min(1, (step + 1) / Math.max(1, warmupSteps));
  const way = totalSteps === 0 ? 0 : Math.min(1, step / totalSteps);
  return peak * rise * (1 - (1 - finalShare) * way);
}
