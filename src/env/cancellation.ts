/** Why work was called off; the reason that every signal of the engine aborts with. */
import type { Outcome } from "../contracts/outcome.ts";

export type CancelledBy = Extract<Outcome, { kind: "cancelled" }>["by"];

export class Cancellation extends Error {
  override readonly name = "Cancellation";
  readonly by: CancelledBy;

  constructor(by: CancelledBy) {
    super(`cancelled: ${by}`);
    this.by = by;
  }
}

/** What an aborted signal stands for; a reason that isn't the engine's own counts as a shutdown. */
export function cancelledBy(signal: AbortSignal): CancelledBy {
  return signal.reason instanceof Cancellation ? signal.reason.by : "shutdown";
}
