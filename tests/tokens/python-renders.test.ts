/**
 * What Python's Jinja rendered, recorded by tests/fixtures/chat-templates/record-renders.py: conversations through
 * every family's template, and single expressions.
 */
import { describe, expect, test } from "vitest";
import type { ChatMessage, JsonObject, ToolSchema } from "../../src/contracts/chat.ts";
import { LachesisError } from "../../src/contracts/errors.ts";
import { ChatTemplate } from "../../src/tokens/chat-template.ts";
import { readGzipFixture } from "../support/gzip-fixture.ts";
import { loadChatTemplates } from "../support/template-fixtures.ts";

type Outcome = { expected: string } | { error: string; python: string };
type Conversation = Outcome & {
  family: string;
  messages: ChatMessage[];
  tools: boolean;
  addGenerationPrompt: boolean;
  kwargs: JsonObject;
};
type Recorded = {
  tools: ToolSchema[];
  values: JsonObject;
  conversations: Conversation[];
  expressions: (Outcome & { source: string })[];
};

const recorded = (await readGzipFixture("chat-templates/python-renders.json.gz")) as Recorded;
const templates = await loadChatTemplates();

/** What the rendering gives, or the code of its error. */
function outcome(render: () => string): string {
  try {
    return render();
  } catch (error) {
    if (error instanceof LachesisError) return error.code;
    throw error;
  }
}

const expectedOf = (recording: Outcome) => ("error" in recording ? recording.error : recording.expected);

describe.each(templates)("$name", ({ name, chatTemplate }) => {
  test("renders conversations as Python does", () => {
    const cases = recorded.conversations.filter(({ family }) => family === name);
    expect(cases.length).toBeGreaterThan(20);
    for (const { messages, tools, addGenerationPrompt, kwargs, ...expected } of cases) {
      const text = outcome(() =>
        chatTemplate.render({
          messages,
          tools: tools ? recorded.tools : [],
          addGenerationPrompt,
          kwargs,
        }),
      );
      expect(text).toBe(expectedOf(expected));
    }
  });
});

test.each(recorded.expressions)("$source", ({ source, ...expected }) => {
  const template = new ChatTemplate(source);
  const text = outcome(() =>
    template.render({ messages: [], addGenerationPrompt: false, kwargs: recorded.values }),
  );
  expect(text).toBe(expectedOf(expected));
});
