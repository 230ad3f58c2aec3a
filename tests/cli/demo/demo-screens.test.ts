/** What the demo says of what it saw: screen, summary and report, from a state as the stages write it. */
import { describe, expect, test } from "vitest";
import { makeColors } from "../../../src/cli/colors.ts";
import { curveOf, demoLines, demoPlainLine, wholeSteps } from "../../../src/cli/demo/demo-screen.ts";
import { demoSettings } from "../../../src/cli/demo/demo-settings.ts";
import {
  confidenceInterval,
  type DemoState,
  newDemoState,
  readConversation,
} from "../../../src/cli/demo/demo-state.ts";
import { demoSummary, hasSucceeded } from "../../../src/cli/demo/demo-summary.ts";
import { readSample } from "../../../src/cli/demo/read-sample.ts";
import { reportPage } from "../../../src/cli/demo/report/report-page.ts";
import type { ScoredGroup } from "../../../src/contracts/scored-group.ts";

const colors = makeColors(false);

function stateAt(
  share: number,
  choices: Parameters<typeof demoSettings>[0] = { seed: 3, quick: true },
): DemoState {
  const state = newDemoState({ startedAt: 0, settings: demoSettings(choices) });
  state.endedAt = 61_000;
  state.before = { accuracy: { successes: 38, count: 128 }, toolSuccess: { successes: 100, count: 128 } };
  state.after = {
    accuracy: { successes: Math.round(share * 128), count: 128 },
    toolSuccess: { successes: 128, count: 128 },
  };
  for (const stage of Object.values(state.stages))
    Object.assign(stage, { state: "done", startedAt: 0, endedAt: 1 });
  state.stages.sft.state = "skipped";
  state.rollouts = [
    { step: 0, rollouts: 64, correct: 16, toolSuccesses: 48 },
    { step: 1, rollouts: 64, correct: 48, toolSuccesses: 64 },
    { step: 2, rollouts: 3, correct: 0, toolSuccesses: 0 },
  ];
  return state;
}

const group = {
  tokens: [[1, 2, 3, 4]],
  masks: [[-100, -100, 3, 4]],
  scores: [0],
  inference_logprobs: [[1, 1, -0.01, -2.5]],
  messages: [
    [
      { role: "user", content: "Ann has 2 pens & buys 3 more." },
      {
        role: "assistant",
        content: "",
        tool_calls: [
          { id: "c", type: "function", function: { name: "python", arguments: '{"code":"2-3"}' } },
        ],
      },
      { role: "tool", tool_call_id: "c", content: '{"status":"success","output":"","result":"-1"}' },
      { role: "assistant", content: "<b>-1" },
    ],
  ],
  overrides: [{ weight_version: 7 }],
  group_overrides: null,
  generation_params: null,
} as unknown as ScoredGroup;
const tokenizer = { decode: (ids: readonly number[]) => (ids[0] === 4 ? "<b>-1" : `t${ids[0]}`) };

describe("Wilson's interval", () => {
  test.each([
    [0, 10, 0, 0.278],
    [5, 10, 0.237, 0.763],
    [128, 128, 0.971, 1],
  ])("of %d in %d is from %d to %d", (successes, count, low, high) => {
    const interval = confidenceInterval({ successes, count });
    expect(interval[0]).toBeCloseTo(low, 3);
    expect(interval[1]).toBeCloseTo(high, 3);
  });
});

test("a step of which hardly anything was seen is no point of the curve", () => {
  const state = stateAt(0.6);
  expect(curveOf(wholeSteps(state), "correct", 50)).toEqual([0.25, 0.75]);
  expect(curveOf(wholeSteps(state), "toolSuccesses", 1)).toEqual([112 / 128]);
});

test("a rollout is read as it was said, and what was given has no probability", () => {
  const sample = readSample(group, 0, tokenizer);
  expect(sample).toMatchObject({ step: 7, score: 0, code: "2-3", result: "-1", answer: "<b>-1" });
  expect(sample?.tokens.map(({ logprob }) => logprob)).toEqual([null, null, -0.01, -2.5]);
  expect(readSample({ ...group, messages: null }, 0, tokenizer)).toBeNull();
  expect(
    readConversation([
      { role: "user", content: "q" },
      { role: "assistant", content: "5" },
    ]),
  ).toMatchObject({
    code: null,
    result: null,
    answer: "5",
  });
});

test("the screen shows stages, shares and what was said", () => {
  const state = stateAt(0.6);
  state.samples.push(readSample(group, 0, tokenizer)!);
  const text = demoLines(state, 99_000, colors).join("\n");
  expect(text).toContain("Lachesis demo  1:01  seed 3");
  expect(text).toContain("30 % right of 128 (95 % of 22 to 38 %)");
  expect(text).toMatch(/right {2}▃▇ 0\.75/);
  expect(text).toContain("2-3 → -1");
  expect(text).not.toContain("imitate");
  expect(
    demoPlainLine(
      { ...state, stages: { ...state.stages, train: { ...state.stages.train, state: "running" } } },
      0,
    ),
  ).toMatch(/^1:01 train: .* step 0\/30/);
});

test.each([
  [0.2, false, true],
  [0.05, false, false],
  [0.05, true, true],
  [0.2, true, false],
])("a rise of %d (rewards by chance: %s) is a success: %s", (rise, isRandomReward, expected) => {
  expect(hasSucceeded(rise, { margin: 0.1, isRandomReward })).toBe(expected);
});

test("the summary says whether it rose enough, and where everything is", () => {
  const places = { runDirectory: "runs/x", report: "runs/x/report.html", colors };
  expect(demoSummary(stateAt(0.6), places)).toMatch(
    /\+30 points on problems.*\(asked for: 10 points\)[\s\S]*runs\/x\/report\.html/,
  );
  expect(demoSummary(stateAt(0.3), places)).toContain(
    "+0 points: less than the 10 points that are asked for",
  );
  expect(demoSummary(stateAt(0.3, { seed: 0, quick: true, randomReward: true }), places)).toContain(
    "nothing was learned",
  );
});

test("the report stands alone and shows sampled text as text", () => {
  const state = stateAt(0.6);
  state.samples.push(readSample(group, 0, tokenizer)!);
  const page = reportPage(state, new Date(0));
  expect(page).toContain("<b>60 %</b><span>right after</span><span>51 to 68 % of 128</span>");
  expect(page).toContain('<span class="given">t1</span>');
  expect(page).toMatch(/title="8 % · log-probability -2\.500">&lt;b&gt;-1<\/span>/);
  expect(page).not.toMatch(/https?:\/\/|<script|<link|NaN|undefined/);
});

test("a report of a demo that was stopped at once has no numbers, and says so", () => {
  const state = newDemoState({ startedAt: 0, settings: demoSettings({ seed: 0 }) });
  state.endedAt = 1000;
  expect(reportPage(state, new Date(0))).not.toMatch(/NaN|undefined/);
});

test("an evaluation that was cut short is not passed off as whole, and a curve without points has no name", () => {
  const state = stateAt(0.5);
  state.before = { accuracy: { successes: 17, count: 70 }, toolSuccess: { successes: 55, count: 70 } };
  state.after = undefined;
  state.rollouts = [];
  const page = reportPage(state, new Date(0));
  expect(page).toContain("Not all of the 128 problems were played before;");
  expect(page).not.toMatch(/<text class="name"[^>]*>(Python ran|right answers)</);
  expect(demoSummary(state, { runDirectory: "runs/x", report: null, colors })).toContain(
    "before  24 % right of the first 70 of 128 (",
  );
  expect(reportPage(stateAt(0.5), new Date(0))).not.toContain("Not all of");
});
