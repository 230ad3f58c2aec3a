/** Every endpoint that a run has. */
import { batchEndpoints } from "./batch-endpoints.ts";
import type { Endpoint, WireMode } from "./endpoint.ts";
import { environmentEndpoints } from "./environment-endpoints.ts";
import { submissionEndpoints } from "./submission-endpoints.ts";
import { trainerEndpoints } from "./trainer-endpoints.ts";

export function createEndpoints(mode: WireMode): Endpoint[] {
  return [
    ...trainerEndpoints(mode),
    ...batchEndpoints(mode),
    ...environmentEndpoints(mode),
    ...submissionEndpoints(mode),
  ];
}
