/** A judge by configuration: while rollouts are played, and for saved ones; as processes of their own. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { bundledResearch } from "../../environments/web-research.ts";
import { readResearchRows, WebResearchTeacher } from "../../environments/web-research-teacher.ts";
import { practiceConfig } from "../../src/practice/practice-config.ts";
import { startPracticeServer } from "../../src/practice/practice-server.ts";
import { scriptedJudge } from "../support/scripted-judge.ts";
import { TemporaryDirectory } from "../support/temporary-directory.ts";
import { runCli } from "./run-cli.ts";

vi.setConfig({ testTimeout: 120_000 });

test("evaluate and rescore ask the configured judge, and report what it says", async () => {
  await using started = new AsyncDisposableStack();
  const { path: cwd } = started.use(await TemporaryDirectory.make());
  const { rows } = await readResearchRows(Object.values(bundledResearch), {
    signal: AbortSignal.timeout(10_000),
  });
  const practice = await startPracticeServer({
    teacher: new WebResearchTeacher(rows),
    config: practiceConfig.parse({}),
  });
  started.defer(() => practice.close());
  let mark = 4;
  const judge = started.use(await scriptedJudge(() => ({ reason: "as told", marks: { correctness: mark } })));
  const cli = (...args: string[]) => runCli(args, { cwd });

  const played = await cli(
    ...["evaluate", "web-research", "--openai.base_url", practice.url, "--run-dir", "played"],
    ...["--env.judge.base_url", judge.server.url, "--env.judge.model_name", "judge-1"],
    ...["--env.judge.cache=false", "--env.judge.api_key", "sk-for-the-judge", "--env.reward", "judge"],
  );
  expect(played.code, played.stderr).toBe(0);
  const metrics = JSON.parse(await readFile(join(cwd, "played", "metrics.json"), "utf8"));
  expect(JSON.stringify(metrics)).toMatch(/"eval\/mean_reward":\s*0\.4\b/);
  expect(judge.asked).toHaveLength(4);
  expect(judge.server.calls[0]?.headers.authorization).toBe("Bearer sk-for-the-judge");
  expect(await readFile(join(cwd, "played", "config.yaml"), "utf8")).not.toContain("sk-for-the-judge");

  mark = 9;
  const section = { base_url: judge.server.url, model_name: "judge-1", cache: false };
  await writeFile(join(cwd, "reward.yaml"), JSON.stringify({ reward: "judge", judge: section }));
  const rescored = await cli("rescore", "played", "--reward", "reward.yaml", "--out", "rescored");
  expect(rescored.code, rescored.stderr).toBe(0);
  const after = JSON.parse(await readFile(join(cwd, "rescored", "metrics.json"), "utf8"));
  expect(JSON.stringify(after)).toMatch(/"eval\/mean_reward":\s*0\.9\b/);
  expect(judge.asked).toHaveLength(8);

  const without = await cli("rescore", "played", "--reward", "judge", "--out", "nowhere");
  expect(without.code).not.toBe(0);
  expect(without.stderr).toContain("needs a judge model");
});
