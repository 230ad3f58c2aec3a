/**
 * Kills `environment evaluate` at random moments and resumes it. Ends with 1 if the samples aren't those of an
 * undisturbed evaluation.
 *
 * Run: npx node scripts/resume-test.ts --rounds 10 --seed 1
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { runResumeTest } from "./resume-test/resume-run.ts";

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "10" },
    items: { type: "string", default: "10" },
    samples: { type: "string", default: "4" },
    seed: { type: "string", default: "1" },
  },
});

const stop = new AbortController();
process.once("SIGINT", () => stop.abort(new Error("stopped")));

const directory = await mkdtemp(join(tmpdir(), "lachesis-resume-"));
try {
  console.log("killed   lines left   torn   played   the same samples");
  const rounds = await runResumeTest({
    rounds: Number(values.rounds),
    items: Number(values.items),
    samplesPerItem: Number(values.samples),
    seed: Number(values.seed),
    directory,
    signal: stop.signal,
    onRound({ killed, left, torn, playedAgain, same }) {
      console.log(
        [
          (killed ? "yes" : "no").padEnd(9),
          String(left).padEnd(13),
          (torn ? "yes" : "no").padEnd(7),
          String(playedAgain).padEnd(9),
          same ? "yes" : "NO",
        ].join(""),
      );
    },
  });
  process.exitCode = rounds.every(({ same }) => same) ? 0 : 1;
} finally {
  await rm(directory, { recursive: true, force: true });
}
