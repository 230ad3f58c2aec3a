/**
 * What existing trainers make of the batches we serve: three collators, written anew from their descriptions,
 * read groups that went through a real rollout server. The goldens (tests/fixtures/trainers) draw each
 * sequence and, below it, what each trainer trains:
 *
 *     T  trained, and sampled            .  not trained, and not sampled
 *     !  trained though not sampled      -  sampled, but not trained
 */
import { readFile } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import type { ScoredGroup } from "../../src/contracts/scored-group.ts";
import { adviceFor, needsLogprobs } from "../../src/rollout-api/trainer-advice.ts";
import { startRolloutServer } from "../support/rollout-server.ts";
import { collateForAxolotl } from "../support/trainers/axolotl-trainer.ts";
import { type DrawnGroup, drawGroup, isSampled } from "../support/trainers/example-groups.ts";
import { collateForExampleTrainer } from "../support/trainers/example-trainer.ts";
import { collateForTinker } from "../support/trainers/tinker-trainer.ts";
import { type CollatedSequence, TrainerFailure, WireItem } from "../support/trainers/wire-item.ts";

/** Sends groups through a server and takes them out as one batch. */
async function serve(groups: readonly Partial<ScoredGroup>[]): Promise<WireItem[]> {
  await using server = await startRolloutServer();
  const call = async (method: "GET" | "POST", path: string, json?: unknown) => {
    const body = json === undefined ? {} : { body: JSON.stringify(json) };
    const headers = { "content-type": "application/json" };
    const response = await fetch(`${server.url}/${path}`, { method, headers, ...body });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} /${path}: ${response.status} ${text}`);
    return text;
  };
  await call("POST", "register", {
    wandb_group: "",
    wandb_project: "",
    batch_size: groups.reduce((sum, { tokens = [] }) => sum + tokens.length, 0),
    max_token_len: 4096,
    checkpoint_dir: "",
    save_checkpoint_interval: 0,
    starting_step: 0,
    num_steps: 1,
  });
  await call("POST", "scored_data_list", groups);
  return WireItem.ofBatch(await call("GET", "batch"));
}

type GoldenCase = { name: string; groups: readonly DrawnGroup[]; numGenerations?: number };

/** Teacher values for every position, `choices` of them each. */
function teacher(sequences: readonly string[], choices: number, value: number): number[][][] {
  return sequences.map((letters) => [...letters].map(() => Array.from({ length: choices }, () => value)));
}

const turns = ["pppssttss", "pppsssttsssst"];

const cases: readonly GoldenCase[] = [
  { name: "multi-turn", groups: [{ sequences: turns, scores: [1, 0] }] },
  {
    name: "overrides",
    groups: [
      {
        sequences: [...turns, "ppps"],
        scores: [1, 0, 0.5],
        fields: {
          overrides: [{ temperature: 0.2 }, { set_advantage_to_zero: true }, {}],
          group_overrides: { temperature: 0.7 },
        },
      },
    ],
  },
  { name: "equal-scores", groups: [{ sequences: turns, scores: [1, 1] }] },
  { name: "alike-first-words", groups: [{ sequences: ["pppSSssttss", "pppSSsttss"], scores: [1, 0] }] },
  { name: "own-prompts", groups: [{ sequences: ["ppqqsstts", "ppqsss"], scores: [1, 0] }] },
  { name: "one-sequence", groups: [{ sequences: ["pppsstts"], scores: [0.8] }] },
  { name: "sampled-from-the-start", groups: [{ sequences: ["sstts", "sss"], scores: [1, 0] }] },
  {
    name: "no-logprobs",
    groups: [{ sequences: turns, scores: [1, 0], fields: { inference_logprobs: null } }],
  },
  {
    name: "two-groups",
    groups: [
      { sequences: turns, scores: [1, 0] },
      { sequences: ["ppsstts", "ppsts"], scores: [0, 1] },
    ],
  },
  {
    name: "two-groups-in-one-cut",
    numGenerations: 4,
    groups: [
      { sequences: turns, scores: [1, 0] },
      { sequences: ["ppsstts", "ppsts"], scores: [0, 1] },
    ],
  },
  ...[1, 2].map((choices) => ({
    name: `teacher-with-${choices}`,
    groups: [
      {
        sequences: turns,
        scores: [1, 0],
        fields: {
          distill_token_ids: teacher(turns, choices, 7),
          distill_logprobs: teacher(turns, choices, -0.25),
        },
      },
    ],
  })),
];

type View = { name: string; sequences: (CollatedSequence[] | null)[] | TrainerFailure; note: string };

function collateAll(items: readonly WireItem[], numGenerations: number): View[] {
  return [
    attempt("example", () => {
      const { rowLength, temperaturesByGroup, sequencesByGroup } = collateForExampleTrainer(items);
      return {
        sequencesByGroup,
        note: `rows of ${rowLength}, temperatures ${temperaturesByGroup.flat().join(" ")}`,
      };
    }),
    attempt("axolotl", () => {
      const { promptLengthByGroup, dropped, sequencesByGroup } = collateForAxolotl(items, numGenerations);
      return {
        sequencesByGroup,
        note: `prompts of ${promptLengthByGroup.join(" ")}, drops ${dropped}`,
      };
    }),
    attempt("tinker", () => ({ ...collateForTinker(items), note: "" })),
  ];
}

function attempt(
  name: string,
  collate: () => { sequencesByGroup: (CollatedSequence[] | null)[]; note: string },
): View {
  try {
    const { sequencesByGroup, note } = collate();
    return { name, sequences: sequencesByGroup, note };
  } catch (error) {
    if (!(error instanceof TrainerFailure)) throw error;
    return { name, sequences: error, note: error.message };
  }
}

function draw({ groups, numGenerations }: GoldenCase, views: readonly View[]): string {
  const lines = views.map(({ name, sequences, note }) =>
    sequences instanceof TrainerFailure ? `${name} fails: ${note}` : `${name}: ${note || "nothing to say"}`,
  );
  for (const [groupIndex, { sequences, scores }] of groups.entries()) {
    for (const [index, letters] of sequences.entries()) {
      lines.push("", row(`group ${groupIndex}, sequence ${index}`, letters, `score ${scores[index]}`));
      for (const view of views) lines.push(...drawView(view, groupIndex, index, letters));
    }
  }
  const cut = numGenerations === undefined ? "" : `num_generations ${numGenerations}\n`;
  return `${cut}${lines.join("\n")}\n`;
}

function drawView(view: View, groupIndex: number, index: number, letters: string): string[] {
  if (view.sequences instanceof TrainerFailure) return [];
  const group = view.sequences[groupIndex];
  const sequence = group?.[index];
  if (sequence === undefined) return [row(view.name, "-".repeat(letters.length), "skips the group")];
  const marks = sequence.trained.map((isTrained, at) => mark(isTrained, isSampled(letters[at])));
  const advantages = new Set(sequence.advantages.filter((_, at) => sequence.trained[at]));
  const shown = [...advantages].map((advantage) => advantage.toFixed(4)).join(" ");
  return [row(view.name, marks.join(""), `advantage ${shown || "none"}`)];
}

function mark(isTrained: boolean, wasSampled: boolean): string {
  if (isTrained) return wasSampled ? "T" : "!";
  return wasSampled ? "-" : ".";
}

function row(name: string, marks: string, note: string): string {
  return `${name.padEnd(21)} ${marks.padEnd(14)} ${note}`;
}

describe("trainers train on", () => {
  test.each(cases)("$name", async (golden) => {
    const items = await serve(golden.groups.map(drawGroup));
    const numGenerations = golden.numGenerations ?? golden.groups[0]?.sequences.length ?? 1;
    const drawing = draw(golden, collateAll(items, numGenerations));
    await expect(drawing).toMatchFileSnapshot(`../fixtures/trainers/${golden.name}.txt`);
  });
});

test("docs/trainers.md shows the multi-turn golden", async () => {
  const [docs = "", golden = ""] = await Promise.all(
    ["docs/trainers.md", "tests/fixtures/trainers/multi-turn.txt"].map((path) => readFile(path, "utf8")),
  );
  const drawing = golden.slice(golden.indexOf("group 0"));
  expect(docs).toContain(drawing);
});

test("the ratio's old logprobs are those that the environment sent, position by position", async () => {
  const group = drawGroup({ sequences: turns, scores: [1, 0] });
  const { logprobsByGroup, sequencesByGroup } = collateForExampleTrainer(await serve([group]));
  expect(logprobsByGroup).toEqual([group.inference_logprobs]);
  for (const [index, { trained }] of (sequencesByGroup[0] ?? []).entries()) {
    const used = logprobsByGroup[0]?.[index]?.filter((_, position) => trained[position]) ?? [];
    expect(used.every((logprob) => logprob < 0)).toBe(true);
  }
});

describe("what each trainer needs of a group", () => {
  const collators = {
    example: (items: readonly WireItem[]) => collateForExampleTrainer(items),
    axolotl: (items: readonly WireItem[]) => collateForAxolotl(items, 2),
    tinker: (items: readonly WireItem[]) => collateForTinker(items),
  };

  function outcome(collate: () => unknown): string {
    try {
      collate();
      return "fine";
    } catch (error) {
      if (!(error instanceof TrainerFailure)) throw error;
      return error.message;
    }
  }

  test("an answer of ours has all 14 keys, so that only nulls can hurt", async () => {
    const { tokens, masks, scores } = drawGroup({ sequences: turns, scores: [1, 0] });
    const [item] = await serve([{ tokens, masks, scores }]);
    const lines = Object.keys(drawGroup({ sequences: turns, scores: [1, 0] })).flatMap((key) => {
      const whole = new WireItem({ ...drawGroup({ sequences: turns, scores: [1, 0] }) });
      expect(item?.has(key), key).toBe(true);
      return Object.entries(collators).map(([name, collate]) => {
        const absent = outcome(() => collate([whole.without(key)]));
        const empty = outcome(() => collate([whole.with(key, null)]));
        return `${key.padEnd(18)} ${name.padEnd(8)} absent: ${absent.padEnd(44)} null: ${empty}`;
      });
    });
    await expect(`${lines.join("\n")}\n`).toMatchFileSnapshot("../fixtures/trainers/needs.txt");
  });

  test.each(Object.entries(collators))(
    "the server knows whether %s stops without logprobs",
    (name, collate) => {
      const fields = { inference_logprobs: null };
      const group = new WireItem({ ...drawGroup({ sequences: turns, scores: [1, 0], fields }) });
      expect(outcome(() => collate([group])) !== "fine").toBe(needsLogprobs(name));
    },
  );

  test.each(Object.entries(collators))(
    "the server warns whoever trains on other than masks: %s",
    (name, collate) => {
      // Masks and logprobs that disagree, and a prompt that is not the same for all: who ignores masks shows it.
      const group = new WireItem({ ...drawGroup({ sequences: ["ppqsstts", "ppqsss"], scores: [1, 0] }) });
      const masks = group.rows("tokens").map((row) => row.map(() => -100));
      const trained = collate([group.with("masks", masks)]).sequencesByGroup.flatMap(
        (sequences) => sequences?.flatMap((sequence) => sequence.trained) ?? [],
      );
      const ignoresMasks = trained.some(Boolean);
      expect(adviceFor(name).some((warning) => warning.includes("ignores masks"))).toBe(ignoresMasks);
    },
  );
});
