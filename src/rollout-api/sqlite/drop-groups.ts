/**
 * Takes groups out of a store file whose bodies are not there: with sync "normal" a power cut may take bodies
 * of the last seconds and leave their rows. Formed batches that had one of them are undone, and their other
 * groups wait again.
 */
import { LachesisError } from "../../contracts/errors.ts";
import { numberIn, type Row } from "./rows.ts";
import { decodeState, encodeState } from "./state-text.ts";
import type { Statements } from "./statements.ts";

/** To be called within a transaction. */
export function dropGroups(statements: Statements, ids: readonly number[]): void {
  if (ids.length === 0) return;
  const lost = new Set(ids);
  for (const table of ["groups", "places", "garbage"]) {
    statements.each(`DELETE FROM ${table} WHERE id = ?`, ids, (id) => [id]);
  }
  for (const row of statements.all("SELECT run, batch, group_ids FROM batches")) {
    if (!groupIdsOf(row).some((id) => lost.has(id))) continue;
    const run = numberIn(row, "run");
    statements.get("DELETE FROM batches WHERE run = ? AND batch = ?").run(run, numberIn(row, "batch"));
    unformBatch(statements, run);
  }
}

function groupIdsOf({ group_ids: text }: Row): number[] {
  const ids: unknown = JSON.parse(String(text));
  return Array.isArray(ids) ? ids : [];
}

/** The run's step counts formed batches. */
function unformBatch(statements: Statements, run: number): void {
  const row = statements.get("SELECT state FROM runs WHERE id = ?").get(run);
  const state = decodeState(String(row?.state));
  if (typeof state !== "object" || state === null || !("currentStep" in state)) {
    throw new LachesisError("STORE_CORRUPT", `run ${run} has no step`);
  }
  const undone = { ...state, currentStep: Number(state.currentStep) - 1 };
  statements.get("UPDATE runs SET state = ? WHERE id = ?").run(encodeState(undone), run);
}
