/** What the endpoints are for, in words. A test keeps this table and the endpoints equal. */
import type { schemas } from "./schemas.ts";

export type EndpointNote = {
  summary: string;
  /** The body's schema; "ScoredGroups" = a list of groups. */
  body?: keyof typeof schemas | "ScoredGroups";
  query?: Readonly<Record<string, string>>;
  answer: string;
};

export const endpointNotes: Readonly<Record<string, EndpointNote>> = {
  "GET /": { summary: "Says that this is a rollout API.", answer: "A message" },
  "POST /register": {
    summary: "A trainer opens the run; when it is open already, nothing changes.",
    body: "Registration",
    answer: "uuid: an integer. warnings: what this kind of trainer should know, if anything",
  },
  "GET /batch": {
    summary: "Takes the next batch out. The first call starts the run: environments may join from then on.",
    query: { lease: "Seconds (above 0, a day at most): settle the batch with /batch/ack in this time" },
    answer:
      "batch: groups whose sequences add up to batch_size, or null when there is none now. lease_id: with lease",
  },
  "POST /batch/ack": {
    summary: "The trainer has this leased batch: it is never served again.",
    body: "LeaseId",
    answer: "status: success. 404 = the lease is over, and the batch is served again",
  },
  "POST /batch/nack": {
    summary: "The trainer gives this leased batch back: it is served again, before the others.",
    body: "LeaseId",
    answer: "status: success. 404 = the lease is over",
  },
  "GET /info": {
    summary: "What the trainer registered.",
    answer: "batch_size, max_token_len; -1 before a trainer registered",
  },
  "GET /status": {
    summary: "How far the run is.",
    answer: "current_step: batches formed, from the starting step. queue_size: groups that wait",
  },
  "GET /wandb_info": {
    summary: "Where to log.",
    answer: "group and project; null before a trainer registered",
  },
  "GET /reset_data": {
    summary: "Throws the run away: its groups, environments and leases.",
    answer: "Text: Reset successful",
  },
  "POST /reset_data": {
    summary: "The same, for clients that keep GET for reading.",
    answer: "Text: Reset successful",
  },
  "POST /register-env": {
    summary: "An environment joins the run.",
    body: "EnvRequest",
    answer:
      "status: success with env_id, wandb_name, checkpoint_dir, starting_step, checkpoint_interval, num_steps, takes_larger_groups (not with --compat); or wait for trainer to start",
  },
  "POST /disconnect-env": {
    summary: "An environment leaves: its share of the batches ends, its groups stay.",
    body: "EnvId",
    answer: "status: success or failure",
  },
  "GET /status-env": {
    summary:
      "How the run stands for one environment. The id comes in a JSON body, as Atropos has it, or in the query.",
    query: { env_id: "The environment's id" },
    answer: "current_step, queue_size, unallocated_fraction, self_queue_size, max_group_size, env_weight",
  },
  "POST /scored_data": {
    summary:
      "Hands in a group. 200 = it is kept. A group that comes again under its group_id (or the header Idempotency-Key) counts once.",
    body: "ScoredGroup",
    answer: "status: received; or buffered, with buffer_size, while it waits for others to make a full group",
  },
  "POST /scored_data_list": {
    summary: "Hands in several groups, all or none.",
    body: "ScoredGroups",
    answer: "status, groups_processed; buffered and last_buffer_size when some were buffered",
  },
  "GET /latest_example": { summary: "The group that was queued last.", answer: "A ScoredGroup" },
};
