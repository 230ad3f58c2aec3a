/**
 * What a run of `process` must know to go on after a crash: `process.json` in its directory, replaced as a whole.
 * Beside it `settled.jsonl` names the items that were played and came to nothing that is worth a line.
 */
import { open, readFile, rename } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { LachesisError } from "../contracts/errors.ts";
import { unwritable } from "./jsonl-file.ts";

const recordSchema = z.strictObject({
  version: z.literal(1),
  /** As the command line named it: a registered name, or a file. */
  env: z.string(),
  formats: z.string(),
  rules: z.strictObject({
    minScore: z.number().nullable(),
    best: z.int().nullable(),
    distinct: z.enum(["answer", "conversation"]).nullable(),
    maxPerItem: z.int().nullable(),
    wellFormed: z.boolean(),
  }),
  pairs: z.int(),
  minGap: z.number(),
  pushTo: z.string().nullable(),
  isPublic: z.boolean(),
  /** Null until the run has chosen its files. */
  outputs: z
    .strictObject({
      /** Every group that was played, in the order in which they ended. */
      journal: z.string(),
      exports: z.array(z.strictObject({ target: z.string(), path: z.string() })),
    })
    .nullable(),
});

export type ProcessRecord = z.output<typeof recordSchema>;

const settledLine = z.object({ item_number: z.int().min(0), reason: z.string() });

const recordPath = (directory: string): string => join(directory, "process.json");
export const settledPath = (directory: string): string => join(directory, "settled.jsonl");

/** Rejects with OUTPUT_UNWRITABLE. */
export async function saveProcessRecord(directory: string, record: ProcessRecord): Promise<void> {
  const path = recordPath(directory);
  try {
    {
      await using handle = await open(`${path}.part`, "w");
      await handle.writeFile(`${JSON.stringify(record, null, 2)}\n`);
      await handle.sync();
    }
    await rename(`${path}.part`, path);
  } catch (error) {
    throw unwritable(path, error);
  }
}

/** Rejects with RESUME_REFUSED where the directory is none of a run of `process`. */
export async function readProcessRecord(directory: string): Promise<ProcessRecord> {
  const path = recordPath(directory);
  const refused = (what: string, cause: unknown) =>
    new LachesisError("RESUME_REFUSED", `--resume ${directory}: ${what}`, {
      hint: "Name the run directory of an `environment process`, e.g. runs/<env>-process-<time>.",
      cause,
    });
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    throw refused(`${path} can't be read`, error);
  }
  try {
    return recordSchema.parse(JSON.parse(text));
  } catch (error) {
    throw refused(`${path} is no record of a run`, error);
  }
}

/** Numbers of the items that need not be played again. The torn last line must have been cut. */
export async function readSettledItems(directory: string): Promise<Set<number>> {
  const path = settledPath(directory);
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return new Set();
    throw unwritable(path, error);
  }
  try {
    const lines = text.split("\n").filter((line) => line !== "");
    return new Set(lines.map((line) => settledLine.parse(JSON.parse(line)).item_number));
  } catch (error) {
    throw new LachesisError("RESUME_REFUSED", `${path}: a line is no settled item`, { cause: error });
  }
}
