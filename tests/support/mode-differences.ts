/**
 * Which recorded conversations go otherwise without --compat: each is played to a fresh server of either mode,
 * up to the first answer that differs, and that difference has one of the reasons below. (What follows a
 * difference may differ because of it and says nothing.)
 */
import { isDeepStrictEqual } from "node:util";
import {
  type RecordedScenario,
  type RecordedStep,
  readRecordedScenarios,
  type SeenAnswer,
  sendStep,
} from "./recorded-exchanges.ts";
import { startRolloutServer } from "./rollout-server.ts";

export type Difference = {
  scenario: string;
  /** `METHOD /path` of the step that differs. */
  request: string;
  reason: string;
};

type Pair = { step: RecordedStep; compat: SeenAnswer; standard: SeenAnswer };
type Reason = { text: string; applies: (pair: Pair) => boolean };

const reasons: readonly Reason[] = [
  {
    text: "No CORS headers unless `--cors-origin` is given.",
    applies: ({ compat, standard }) =>
      compat.headers["access-control-allow-origin"] !== undefined &&
      standard.headers["access-control-allow-origin"] === undefined,
  },
  {
    text: "Lists that don't fit together, and groups without sequences, are refused.",
    applies: ({ compat, standard }) =>
      compat.status === 200 && has(standard, /"(length_mismatch|too_short)"/),
  },
  {
    text: "A group larger than the batch is refused: it could never leave.",
    applies: ({ compat, standard }) => compat.status === 200 && has(standard, /can't be part of a batch/),
  },
  {
    text: "A batch size or group size below 1 is refused.",
    applies: ({ compat, standard }) =>
      compat.status === 200 && has(standard, /"body","(batch_size|group_size)".*"ge":1/),
  },
  {
    text: "Negative ids are refused.",
    applies: ({ compat, standard }) => compat.status === 200 && has(standard, /"ge":0/),
  },
  {
    text: "No gzip for clients on the same machine (`--gzip always` brings it back).",
    applies: ({ compat, standard }) =>
      compat.headers["content-encoding"] === "gzip" && isDeepStrictEqual(compat.body, standard.body),
  },
  {
    text: "A group larger than its environment's group size goes straight to the queue: in the buffer it would stay for ever.",
    applies: ({ step, compat, standard }) =>
      step.path.startsWith("/scored_data") && has(compat, /"buffered"/) && standard.status === 200,
  },
  {
    text: "A batch is formed where sizes add up in another way than in full packs.",
    applies: ({ step, compat, standard }) =>
      step.path === "/batch" && compat.body === '{"batch":null}' && standard.body !== compat.body,
  },
  {
    text: "The oldest of several batches comes first, and what is packed exactly may come in another order.",
    applies: ({ step, compat, standard }) =>
      step.path === "/batch" && has(compat, /"batch":\[/) && has(standard, /"batch":\[/),
  },
  {
    text: "`queue_size` counts other environments' groups also when all groups have one sequence.",
    applies: ({ step }) => step.path === "/status-env",
  },
];

function has({ body }: SeenAnswer, pattern: RegExp): boolean {
  return pattern.test(body);
}

/** Throws when a difference has none of the reasons. */
export async function findModeDifferences(record: "curated" | "random"): Promise<Difference[]> {
  const scenarios = await readRecordedScenarios(`rollout-api/atropos-exchanges-${record}.json.gz`);
  const differences: Difference[] = [];
  for (const scenario of scenarios) {
    const pair = await firstDifference(scenario);
    if (pair === undefined) continue;
    const request = `${pair.step.method} ${pair.step.path}`;
    const reason = reasons.find(({ applies }) => applies(pair));
    if (reason === undefined) {
      const answers = JSON.stringify({ compat: pair.compat, standard: pair.standard });
      throw new Error(`${scenario.name}: ${request} differs for no known reason: ${answers.slice(0, 2000)}`);
    }
    differences.push({ scenario: scenario.name, request, reason: reason.text });
  }
  return differences;
}

async function firstDifference({ steps }: RecordedScenario): Promise<Pair | undefined> {
  await using compatServer = await startRolloutServer({ compat: true });
  await using standardServer = await startRolloutServer();
  for (const step of steps) {
    const compat = await sendStep(compatServer.port, step);
    const standard = withoutOwnWord(await sendStep(standardServer.port, step));
    if (!isDeepStrictEqual(compat, standard)) return { step, compat, standard };
  }
  return undefined;
}

/** What we tell environments besides what the original does is in every conversation, and no difference to it. */
function withoutOwnWord(answer: SeenAnswer): SeenAnswer {
  return { ...answer, body: answer.body.replace(',"takes_larger_groups":true}', "}") };
}

/** The page docs/rollout-api-differences.md. */
export function renderDifferences(
  curated: readonly Difference[],
  random: readonly Difference[],
  counts: { curated: number; random: number },
): string {
  const rows = reasons.flatMap(({ text }) => {
    const own = (differences: readonly Difference[]) => differences.filter(({ reason }) => reason === text);
    const names = own(curated).map(({ scenario, request }) => `${scenario} (\`${request}\`)`);
    const numbers = own(random).map(({ scenario }) => scenario.replace(/^random /, ""));
    if (names.length + numbers.length === 0) return [];
    return [`| ${text} | ${names.join("; ") || "–"} | ${numbers.length === 0 ? "–" : numbers.join(" ")} |`];
  });
  return `# What differs without \`--compat\`

Generated by \`npx vitest run tests/rollout-api/mode-differences.test.ts -u\`; the test keeps it true.

${counts.curated + counts.random} recorded conversations with the original server (${counts.curated} curated, ${counts.random} random)
are answered byte for byte alike with \`run-api --compat\`. Without it, ${counts.curated - curated.length} and ${counts.random - random.length} of
them are, but for \`takes_larger_groups\` in the answer of \`/register-env\`; the others first differ as follows.
[The wire](rollout-api.md) says why.

| what differs first | curated conversations | random conversations |
|---|---|---|
${rows.join("\n")}
`;
}
