/** A judge model on a real socket that answers what a test says, and a `judge` reward that asks it. */
import { pino } from "pino";
import { createReward, type RewardSpec } from "../../rewards/create-reward.ts";
import type { RewardItem, RewardRollout } from "../../rewards/reward.ts";
import { judgeConfig } from "../../src/inference/judge/judge-config.ts";
import { JudgeServer } from "../../src/inference/judge/judge-server.ts";
import { completion, ScriptedChatServer, sendError, sendJson } from "./scripted-chat-server.ts";
import { TemporaryDirectory } from "./temporary-directory.ts";

export type JudgeAsked = {
  index: number;
  body: Record<string, unknown>;
  system: string;
  user: string;
  /** What stands between marks, by the title above it. */
  materials: Record<string, string>;
  /** All that stands outside of the marks. */
  outside: string;
};

/** An object is answered as JSON, a text as it is, an error by its status. */
export type JudgeAnswer = object | string | { status: number };

export type ScriptedJudge = AsyncDisposable & {
  server: ScriptedChatServer;
  asked: JudgeAsked[];
  directory: string;
  /** Another judge on the same server and directory, as a later run has it. */
  open(config?: object): JudgeServer;
  score(spec: RewardSpec, item: RewardItem, answer: string, judge?: JudgeServer): Promise<number>;
  result(
    spec: RewardSpec,
    item: RewardItem,
    answer: string,
    judge?: JudgeServer,
  ): ReturnType<ReturnType<typeof createReward>>;
};

export async function scriptedJudge(answer: (asked: JudgeAsked) => JudgeAnswer): Promise<ScriptedJudge> {
  const opened = new AsyncDisposableStack();
  const directory = opened.use(await TemporaryDirectory.make());
  const asked: JudgeAsked[] = [];
  const server = opened.use(
    await ScriptedChatServer.start(({ index, body }, response) => {
      const one = readAsked(index, body);
      asked.push(one);
      const said = answer(one);
      if (typeof said === "object" && "status" in said)
        return sendError(response, Number(said.status), "refused");
      return sendJson(response, 200, completion([typeof said === "string" ? said : JSON.stringify(said)]));
    }),
  );
  const open = (config: object = {}) =>
    opened.use(
      new JudgeServer({
        config: judgeConfig.parse({ base_url: server.url, model_name: "judge-1", ...config }),
        cacheDirectory: directory.path,
        logger: pino({ level: "silent" }),
        retry: { maxAttempts: 2, firstDelayMs: 1 },
      }),
    );
  const usual = open();
  const result: ScriptedJudge["result"] = (spec, item, text, judge = usual) =>
    createReward(spec, { services: { trainingStep: () => 0, judge } })({
      rollout: rolloutSaying(text),
      item,
      toolContext: null,
      signal: new AbortController().signal,
    });
  return {
    server,
    asked,
    directory: directory.path,
    open,
    result,
    score: async (...call) => (await result(...call)).score,
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}

export const rolloutSaying = (text: string): RewardRollout => ({
  messages: [
    { role: "user", content: "Who wrote the letter?" },
    { role: "assistant", content: text },
  ],
  stop: "finished",
  turnsUsed: 1,
});

function readAsked(index: number, body: Record<string, unknown>): JudgeAsked {
  const messages = body.messages as { role: string; content: string }[];
  const text = (role: string) => messages.find((message) => message.role === role)?.content ?? "";
  const user = text("user");
  const mark = /between the lines \[\[begin (\w+)\]\]/.exec(text("system"))?.[1] ?? "";
  const blocks = new RegExp(
    `([^\\n]+):\\n\\[\\[begin ${mark}\\]\\]\\n([\\s\\S]*?)\\n\\[\\[end ${mark}\\]\\]`,
    "g",
  );
  const materials = Object.fromEntries(
    [...user.matchAll(blocks)].map(([, title, inside]) => [title, inside]),
  );
  return { index, body, system: text("system"), user, materials, outside: user.replace(blocks, "") };
}
