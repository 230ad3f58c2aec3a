/** What a rollout on token servers leaves behind besides its conversation. */
import type { ChatServer, JsonObject } from "../contracts/chat.ts";
import type { RolloutSegment } from "../tokens/rollout-segments.ts";

export type RolloutTokens = {
  segments: RolloutSegment[];
  /** How they were sampled, for the group's `generation_params`. */
  sampling: JsonObject | null;
};

/** A rollout's own view of the model servers, which keeps its tokens; ManagedServer is one. */
export interface RolloutSession extends ChatServer {
  segments(): RolloutSegment[];
  samplingRecord(): JsonObject | null;
}
