/** What we read of Nomad's answers. */
import { z } from "zod";

const taskEvent = z.object({
  Type: z.string(),
  DisplayMessage: z.string().default(""),
  FailsTask: z.boolean().default(false),
});

const taskState = z.object({
  State: z.string().default(""),
  Failed: z.boolean().default(false),
  Events: z.array(taskEvent).nullable().default([]),
});

export const allocation = z.object({
  ID: z.string(),
  /** `job.group[index]` */
  Name: z.string(),
  TaskGroup: z.string(),
  NodeName: z.string().default(""),
  DesiredStatus: z.string(),
  DesiredDescription: z.string().default(""),
  ClientStatus: z.string(),
  ClientDescription: z.string().default(""),
  TaskStates: z.record(z.string(), taskState).nullable().default(null),
  CreateIndex: z.int().default(0),
});
export const allocations = z.array(allocation);
export type Allocation = z.output<typeof allocation>;

const counts = z.record(z.string(), z.int()).nullable().default(null);

const placementMetric = z.object({
  NodesEvaluated: z.int().default(0),
  NodesFiltered: z.int().default(0),
  NodesExhausted: z.int().default(0),
  NodesAvailable: counts,
  ClassFiltered: counts,
  ConstraintFiltered: counts,
  DimensionExhausted: counts,
  QuotaExhausted: z.array(z.string()).nullable().default(null),
});
export type PlacementMetric = z.output<typeof placementMetric>;

export const evaluation = z.object({
  Status: z.string(),
  StatusDescription: z.string().default(""),
  FailedTGAllocs: z.record(z.string(), placementMetric).nullable().default(null),
  NextEval: z.string().default(""),
});

export const registration = z.object({ EvalID: z.string() });

export const job = z.object({
  ID: z.string(),
  Type: z.string().default("service"),
  Stop: z.boolean().default(false),
  TaskGroups: z.array(
    z.object({
      Name: z.string(),
      Count: z.int(),
      Tasks: z.array(z.object({ Name: z.string(), Driver: z.string() })),
    }),
  ),
});

export const jobStubs = z.array(z.object({ ID: z.string() }));

export const agentSelf = z.object({ member: z.object({ Name: z.string() }).optional() });

/** One message of an exec's websocket; binary data in base64. */
export const execMessage = z.object({
  stdout: z.object({ data: z.string().optional(), close: z.boolean().optional() }).nullish(),
  stderr: z.object({ data: z.string().optional(), close: z.boolean().optional() }).nullish(),
  exited: z.boolean().optional(),
  result: z.object({ exit_code: z.int().default(0) }).nullish(),
});
