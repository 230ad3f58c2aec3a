import { describe, expect, test } from "vitest";
import { createReward, type RewardSpec } from "../../rewards/create-reward.ts";
import { citedUrls, comparableUrl } from "../../rewards/library/web-sources.ts";
import type { RewardItem } from "../../rewards/reward.ts";
import type { ChatMessage } from "../../src/contracts/chat.ts";
import { call } from "../support/scripted-model.ts";

type Play = {
  answer?: string;
  item?: RewardItem;
  turns?: number;
  results?: [tool: string, result: unknown][];
};

async function score(spec: RewardSpec, { answer = "", item = {}, turns = 1, results = [] }: Play) {
  const worked = results.flatMap(([name, result], index): ChatMessage[] => [
    { role: "assistant", content: null, tool_calls: [call(name, {}, `c${index}`)] },
    {
      role: "tool",
      tool_call_id: `c${index}`,
      content: typeof result === "string" ? result : JSON.stringify(result),
    },
  ]);
  const rollout = {
    messages: [
      { role: "user" as const, content: "?" },
      ...worked,
      { role: "assistant" as const, content: answer },
    ],
    stop: "finished" as const,
    turnsUsed: turns,
  };
  const signal = new AbortController().signal;
  return (await createReward(spec)({ rollout, item, toolContext: null, signal })).score;
}

describe("short_answer", () => {
  const item = { answer: "The Graymoor Miners\u2019 Band", aliases: ["Graymoor Band", 1204] };
  test.each([
    ["Answer: The Graymoor Miners' Band", 1],
    ["I read it.\n\n**Answer:** graymoor  miners' band.", 1],
    ["answer: 1,204", 1],
    ["Answer: Graymoor Band\nAnswer: graymoor band", 1],
    ["Answer: Graymoor Band\nAnswer: Saltmere", 0],
    ["Answer: Graymoor Band or Saltmere", 0],
    ["<think>Answer: Graymoor Band</think>Answer: Saltmere", 0],
    ["It is the Graymoor Band", 0],
    ["Answer:", 0],
    ["", 0],
  ])("%j is worth %d", async (answer, worth) => {
    expect(await score("short_answer", { answer, item })).toBe(worth);
  });
});

describe("used_tools", () => {
  const web = { type: "used_tools", params: { tools: ["web_search"] } };
  test.each([
    ["a call that succeeded", [["web_search", { success: true, data: { web: [] } }]], 1],
    ["a call that failed", [["web_search", { success: false, error: "no" }]], 0],
    ["an error", [["web_search", { error: "None of the pages could be read.", results: [] }]], 0],
    ["another tool", [["terminal", { output: "hi", exit_code: 0 }]], 0],
    ["no call", [], 0],
    ["text that is no result", [["web_search", "Search failed"]], 0],
  ] as const)("%s", async (_what, results, worth) => {
    expect(await score(web, { results: results.map(([name, result]) => [name, result]) })).toBe(worth);
  });
});

test.each([
  [1, 1],
  [5, 1],
  [6, 0.92],
  [10, 0.6],
  [11, 0.52],
  [40, 0],
])("%d turns are worth %d", async (turns, worth) => {
  expect(await score("turn_efficiency", { turns })).toBeCloseTo(worth);
});

describe("cited_sources", () => {
  const results: Play["results"] = [
    ["web_search", { success: true, data: { web: [{ url: "https://www.a.example/one/" }] } }],
    [
      "web_extract",
      {
        results: [
          { url: "http://b.example/x(y)", content: "See https://mentioned.example/p", error: null },
          { url: "https://failed.example/", content: "", error: "HTTP 404" },
        ],
      },
    ],
    ["python", { data: { web: [{ url: "https://printed.example/" }] } }],
  ];
  test.each([
    ["two sites", "See https://a.example/one and (http://b.example/x(y)).", 1],
    ["one site", "See <http://www.a.example/one#top>.", 0.5],
    ["none", "Trust me.", 0],
    ["a page that was only mentioned", "https://a.example/one https://mentioned.example/p", 0],
    ["a page that could not be read", "https://a.example/one https://failed.example", 0],
    ["a page that another tool printed", "https://a.example/one https://printed.example", 0],
    ["a page that was made up", "https://a.example/one http://b.example/other", 0],
  ])("%s", async (_what, answer, worth) => {
    expect(await score("cited_sources", { answer, results })).toBe(worth);
  });

  test("a domain that begins with letters of www keeps them", () => {
    expect(comparableUrl("https://wwf.example/a/?q=1#x")).toBe("wwf.example/a?q=1");
    expect(comparableUrl("nothing")).toBeNull();
    expect([...citedUrls("[a](https://w.example/b_(c)), **http://www.w.example/d**")]).toEqual([
      "w.example/b_(c)",
      "w.example/d",
    ]);
  });
});

test("a constant is worth its value", async () => {
  expect(await score({ type: "constant", params: { value: 0.3 } }, { answer: "anything" })).toBe(0.3);
});
