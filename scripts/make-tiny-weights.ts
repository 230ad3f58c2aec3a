/**
 * Makes the weights that the demo begins with (src/tiny-policy/weights/sft.safetensors): plays the sloppy teacher of
 * tiny-maths with `process`, and trains a tiny policy to imitate what it did. The same each time but for the order in
 * which groups are written.
 *
 *   npm run make-weights [SEED]
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { pino } from "pino";
import { demoSettings } from "../src/cli/demo/demo-settings.ts";
import { newDemoState, shareOf } from "../src/cli/demo/demo-state.ts";
import { makeTeacherWeights, shippedWeights } from "../src/cli/demo/first-weights.ts";
import { readProcessEnvironment } from "../src/cli/process-environment.ts";
import { encodeWeights } from "../src/tiny-policy/weights-file.ts";
import { loadTokenizer } from "../src/tokens/load-tokenizer.ts";

const seed = Number(process.argv[2] ?? 0);
if (!Number.isSafeInteger(seed) || seed < 0) throw new Error("Usage: make-tiny-weights.ts [SEED]");
const { signal } = new AbortController();
const runDirectory = mkdtempSync(join(tmpdir(), "make-weights-"));
try {
  await using model = await loadTokenizer("tiny-policy", { signal });
  const settings = demoSettings({ seed, fromScratch: true });
  const state = newDemoState({ startedAt: Date.now(), settings });
  const policy = await makeTeacherWeights(
    {
      settings,
      state,
      runDirectory,
      logger: pino({ level: "silent" }),
      environment: readProcessEnvironment(),
      isolation: "bubblewrap",
      onNotice: (message) => console.error(message),
      drain: signal,
      abort: signal,
    },
    model,
  );
  mkdirSync(dirname(shippedWeights), { recursive: true });
  const bytes = encodeWeights(policy);
  writeFileSync(shippedWeights, bytes);
  console.log(
    `${shippedWeights}: ${bytes.length} bytes; ${state.teacher.count} demonstrations, ${shareOf(state.teacher)} of them right; ` +
      `loss ${state.supervised.loss} after ${state.supervised.step} steps`,
  );
} finally {
  rmSync(runDirectory, { recursive: true });
}
