import { pino } from "pino";
import { describe, expect, test } from "vitest";
import { teacherConfig } from "../../../src/inference/teacher/teacher-config.ts";
import { probeText, TeacherServers } from "../../../src/inference/teacher/teacher-servers.ts";
import { qwen3, startTokenPractice } from "../../practice/token-practice.ts";
import { ScriptedChatServer, sendJson } from "../../support/scripted-chat-server.ts";
import { practiceModel } from "../../support/token-serve.ts";

const signal = new AbortController().signal;
const ids = [5, 9, 7];

const open = (url: string, config: object = {}, model = practiceModel) =>
  new TeacherServers({
    config: teacherConfig.parse({ base_url: `${url}`, model_name: "big", ...config }),
    probeIds: model.tokenizer.encode(probeText),
    logger: pino({ level: "silent" }),
    retry: { maxAttempts: 2, firstDelayMs: 1 },
  });

const vllmPlaces = [
  null,
  { "9": { logprob: -2, rank: 3 }, "4": { logprob: -0.5, rank: 1 }, "3": { logprob: -1, rank: 2 } },
  { "8": { logprob: -1 }, "7": { logprob: 1e-7 } },
];
const vllmAnswer = (places: unknown) => ({ choices: [{ index: 0, text: "", prompt_logprobs: places }] });
const sglangAnswer = (own: unknown, top: unknown) => ({
  text: "",
  meta_info: { input_token_logprobs: own, input_top_logprobs: top },
});
const sglangOwn = [
  [null, 5, null],
  [-2, 9, null],
  [0, 7, null],
];
const sglangTop = [
  null,
  [
    [-0.5, 4, null],
    [-1, 3, null],
  ],
  [
    [0, 7, null],
    [-1, 8, null],
  ],
];
const places = [
  null,
  { own: -2, ids: [4, 3], logprobs: [-0.5, -1] },
  { own: 0, ids: [7, 8], logprobs: [0, -1] },
];

describe.each([
  ["vllm", "/v1/completions", vllmAnswer(vllmPlaces)],
  ["sglang", "/generate", sglangAnswer(sglangOwn, sglangTop)],
] as const)("%s", (server_type, path, answer) => {
  test("each place has its own id's log-probability and the likeliest ids, best first", async () => {
    await using server = await ScriptedChatServer.start((_call, response) => sendJson(response, 200, answer));
    await using teacher = open(server.url, { server_type, api_key: "secret" });
    expect(await teacher.score(ids, { top: 2, signal })).toEqual(places);
    const [call] = server.calls;
    expect(call?.path).toBe(path);
    expect(call?.headers.authorization).toBe("Bearer secret");
    expect(call?.body).toMatchObject(
      server_type === "vllm"
        ? { model: "big", prompt: ids, prompt_logprobs: 2, max_tokens: 1, add_special_tokens: false }
        : { input_ids: ids, logprob_start_len: 0, top_logprobs_num: 2, return_logprob: true },
    );
  });
});

const two = (place: unknown) => vllmAnswer([null, vllmPlaces[1], place]);
test.each([
  ["a place too few", "vllm", vllmAnswer(vllmPlaces.slice(1))],
  ["no log-probabilities", "vllm", vllmAnswer(null)],
  ["a place without any", "vllm", two(null)],
  ["a place without its own id", "vllm", two({ "8": { logprob: -1 }, "6": { logprob: -2 } })],
  ["fewer choices than asked for", "vllm", two({ "7": { logprob: -1 } })],
  ["vLLM's word for none", "vllm", two({ "7": { logprob: -9999 }, "8": { logprob: -1 } })],
  ["a probability above 1", "vllm", two({ "7": { logprob: 0.7 }, "8": { logprob: -1 } })],
  ["null", "vllm", two({ "7": { logprob: null }, "8": { logprob: -1 } })],
  ["another id's scores", "sglang", sglangAnswer(sglangOwn.with(2, [-1, 6, null]), sglangTop)],
  [
    "one choice twice",
    "sglang",
    sglangAnswer(
      sglangOwn,
      sglangTop.with(2, [
        [-1, 8],
        [-1, 8],
      ]),
    ),
  ],
  ["no choices", "sglang", sglangAnswer(sglangOwn, null)],
] as const)(
  "%s is an answer that can't be trusted: asked again, then an error",
  async (_what, server_type, answer) => {
    await using server = await ScriptedChatServer.start((_call, response) => sendJson(response, 200, answer));
    await using teacher = open(server.url, { server_type });
    await expect(teacher.score(ids, { top: 2, signal })).rejects.toMatchObject({
      code: "INFERENCE_MALFORMED",
      retryable: true,
    });
    expect(server.calls).toHaveLength(2);
  },
);

describe("a teacher proves itself", () => {
  test.each(["vllm", "sglang"])(
    "with the student's tokenizer and enough choices: %s",
    async (server_type) => {
      await using practice = await startTokenPractice({}, { model: practiceModel });
      await using teacher = open(practice.url, { server_type });
      await teacher.prove({ top: 20, signal });
    },
  );

  test("not with more choices than its server gives", async () => {
    await using practice = await startTokenPractice({}, { model: practiceModel });
    await using teacher = open(practice.url);
    await expect(teacher.prove({ top: 50, signal })).rejects.toMatchObject({
      code: "TEACHER_UNFIT",
      hint: expect.stringContaining("--max-logprobs"),
    });
  });

  test("not where its server really has another tokenizer", async () => {
    await using practice = await startTokenPractice({}, { model: qwen3 });
    await using teacher = open(practice.url);
    await expect(teacher.prove({ top: 2, signal })).rejects.toMatchObject({
      code: "TEACHER_TOKENIZER_DIFFERS",
    });
  });
});

test.each(["drop_logprobs_rate", "unequal_rate", "malformed_rate", "fail_rate"])(
  "the practice server's fault %s is noticed",
  async (fault) => {
    await using practice = await startTokenPractice({ [fault]: 1 }, { model: practiceModel });
    await using teacher = open(practice.url);
    await expect(teacher.score(ids, { top: 2, signal })).rejects.toMatchObject({
      code: expect.stringMatching(/^INFERENCE_/),
    });
  },
);

test("vocabularies are told apart by every id, and the same one is the same", () => {
  expect(practiceModel.vocabularyHash()).toBe(practiceModel.vocabularyHash());
  expect(practiceModel.vocabularyHash()).not.toBe(qwen3.vocabularyHash());
});
