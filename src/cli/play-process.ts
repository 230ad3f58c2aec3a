/** The `process` verb with what comes after it: the files that were made, and their push to the hub. */
import { isData, parseFormats, targetName } from "../data/export/formats.ts";
import { filtersNothing } from "../data/group-filter.ts";
import { pushDataset } from "../data/push-dataset.ts";
import type { BaseEnv } from "../env/base-env.ts";
import { type ProcessSummary, plainRecord, processEnvironment } from "../env/process.ts";
import type { RunSignals } from "../env/start-environment.ts";
import { filterText } from "./data-flags.ts";
import type { ProcessRequest } from "./process-flags.ts";
import { counted } from "./progress-lines.ts";
import type { VerbResult } from "./run-verb.ts";

export async function playProcess(
  env: BaseEnv,
  request: ProcessRequest | undefined,
  signals: RunSignals,
): Promise<VerbResult> {
  const record = request?.record ?? plainRecord(env.name);
  const summary = await processEnvironment({ env, record, ...signals });
  const { path, groups, exported } = summary;
  const files = exported?.files ?? [];
  const filtered = filterText(record.rules, summary);
  const { pushTo } = record;
  const pushed =
    pushTo === null || signals.abort.aborted
      ? null
      : await pushDataset({
          name: pushTo,
          files: filesToPush(record.formats, filtersNothing(record.rules), summary),
          token: env.services.hubToken,
          isPublic: record.isPublic,
          hubUrl: request?.hubUrl,
          signal: signals.abort,
        });
  return {
    saved: [
      { what: filtered === null ? counted(groups, "group") : "all that was played", path },
      ...files.map((file) => ({
        what: isData(file)
          ? counted(file.lines, `line of ${file.format.name}`, `lines of ${file.format.name}`)
          : "a page to read",
        path: file.path,
      })),
      ...(pushed === null ? [] : [{ what: "a copy", path: pushed }]),
    ],
    metrics: {},
    ...(filtered !== null && { rows: [["filters", filtered] as const] }),
  };
}

function filesToPush(formats: string, unfiltered: boolean, { path, exported }: ProcessSummary) {
  const wantsGroups = parseFormats(formats).some((target) => targetName(target) === "atropos.jsonl");
  return [
    ...(wantsGroups && unfiltered ? [{ path, nameInDataset: "atropos.jsonl" }] : []),
    ...(exported?.files ?? [])
      .filter(isData)
      .map((file) => ({ path: file.path, nameInDataset: targetName(file) })),
  ];
}
