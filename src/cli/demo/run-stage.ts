import type { StageContext } from "./demo-stages.ts";
import type { StageName } from "./demo-state.ts";

/** Notes when a stage begins and ends. */
export async function runStage<T>(
  { state }: Pick<StageContext, "state">,
  name: StageName,
  play: () => Promise<T>,
): Promise<T> {
  const stage = state.stages[name];
  stage.state = "running";
  stage.startedAt = Date.now();
  try {
    return await play();
  } finally {
    stage.state = "done";
    stage.endedAt = Date.now();
  }
}
