/** What Nomad knows about why nothing runs, in words for people. */
import type { Allocation, PlacementMetric } from "./nomad-schemas.ts";

const dead = new Set(["complete", "failed", "lost"]);

/** Whether nothing of the allocation runs any more, or ever will. */
export function isOver({ ClientStatus, DesiredStatus }: Allocation): boolean {
  return dead.has(ClientStatus) || (DesiredStatus !== "run" && ClientStatus === "pending");
}

/** An allocation's end: what its tasks reported last, e.g. that an image cannot be pulled. */
export function describeAllocation(allocation: Allocation): string {
  const { ID, NodeName, ClientStatus, ClientDescription, DesiredStatus, DesiredDescription } = allocation;
  const where = NodeName === "" ? "" : ` on ${NodeName}`;
  const events = Object.values(allocation.TaskStates ?? {}).flatMap(({ Events }) => Events ?? []);
  const told = events
    .filter(
      ({ FailsTask, Type }) => FailsTask || /Failure|Failed|Terminated|Killed|Not Restarting/.test(Type),
    )
    .map(({ Type, DisplayMessage }) => (DisplayMessage === "" ? Type : `${Type}: ${DisplayMessage}`));
  const why = [...new Set(told)].slice(-3).join("; ") || ClientDescription;
  const wish = DesiredStatus === "run" ? "" : `, to ${DesiredStatus}: ${DesiredDescription || "by request"}`;
  return `allocation ${ID.slice(0, 8)}${where} is ${ClientStatus}${wish}${why === "" ? "" : ` (${why})`}`;
}

/** Whether waiting can help: there are nodes that could run it, had they room. */
export function mayPlaceLater(metric: PlacementMetric): boolean {
  return metric.NodesExhausted > 0 || (metric.QuotaExhausted?.length ?? 0) > 0;
}

/** Why the scheduler found no node. */
export function describePlacement(metric: PlacementMetric, datacenters: readonly string[]): string {
  const parts: string[] = [];
  if (metric.NodesEvaluated === 0) {
    parts.push(`no node is eligible in the datacenters ${datacenters.join(", ")}`);
  } else {
    parts.push(
      `of ${metric.NodesEvaluated} nodes ${metric.NodesFiltered} were ruled out and ${metric.NodesExhausted} have no room`,
    );
  }
  parts.push(...list("ruled out by", metric.ConstraintFiltered), ...list("node class", metric.ClassFiltered));
  parts.push(...list("no room for", metric.DimensionExhausted));
  if (metric.QuotaExhausted?.length) parts.push(`quota used up: ${metric.QuotaExhausted.join(", ")}`);
  return parts.join("; ");
}

function list(what: string, counts: Readonly<Record<string, number>> | null): string[] {
  const entries = Object.entries(counts ?? {});
  if (entries.length === 0) return [];
  return [`${what} ${entries.map(([name, count]) => `${name} (${count})`).join(", ")}`];
}
