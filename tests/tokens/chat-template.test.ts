import { expect, test } from "vitest";
import type { ChatMessage, ToolSchema } from "../../src/contracts/chat.ts";
import { ChatTemplate } from "../../src/tokens/chat-template.ts";

const user: ChatMessage = { role: "user", content: "hi" };

function callWith(text: string): ChatMessage {
  return {
    role: "assistant",
    content: null,
    tool_calls: [{ id: "1", type: "function", function: { name: "f", arguments: text } }],
  };
}

function render(source: string, messages: readonly ChatMessage[] = [user], kwargs = {}): string {
  return new ChatTemplate(source).render({ messages, addGenerationPrompt: false, kwargs });
}

const dumped = "{{ messages[0].tool_calls[0].function.arguments | tojson }}";

test.each([
  ['{"b": 1.0, "a": 1}', '{"b": 1.0, "a": 1}'],
  ['{"n":123456789012345678901234567890}', '{"n": 123456789012345678901234567890}'],
  ['{"10":1,"9":2}', '{"10": 1, "9": 2}'],
  ['{"x":1e400,"y":NaN}', '{"x": Infinity, "y": NaN}'],
  ['{"s":"\\u00e9\\ud83d\\ude00"}', '{"s": "é😀"}'],
])("arguments %s reach templates as Python read them", (written, expected) => {
  expect(render(dumped, [callWith(written)])).toBe(expected);
});

test.each(["{bad", "[1]", '"text"', ""])("arguments %j, which are no object, stay text", (written) => {
  const source = "{% set a = messages[0].tool_calls[0].function.arguments %}{{ a is string }} {{ a }}";
  expect(render(source, [callWith(written)])).toBe(`True ${written}`);
});

test("a template that joins arguments to text gets the model's own", () => {
  const source = "{{ '```json\n' + messages[0].tool_calls[0].function.arguments + '\n```' }}";
  expect(render(source, [callWith('{"a":1.50}')])).toBe('```json\n{"a":1.50}\n```');
});

test("a message without content has none where the template knows that, and an empty one elsewhere", () => {
  expect(render("{{ messages[0].content + '.' }}", [callWith("{}")])).toBe(".");
  expect(render("{{ messages[0]['content'] is none }}", [callWith("{}")])).toBe("True");
  expect(render("{{ messages[0].content is not none }}", [callWith("{}")])).toBe("False");
});

test("a tool parameter called items or keys hides no method", () => {
  const tools: ToolSchema[] = [
    {
      type: "function",
      function: { name: "f", description: "", parameters: { properties: { items: 1, keys: 2, get: 3 } } },
    },
  ];
  const source =
    "{% for name, value in tools[0].function.parameters.properties.items() %}{{ name }}={{ value }} {% endfor %}";
  const template = new ChatTemplate(source);
  expect(template.render({ messages: [user], tools, addGenerationPrompt: false })).toBe(
    "items=1 keys=2 get=3 ",
  );
});

test("no tools and an empty list of tools are the same", () => {
  const template = new ChatTemplate("{{ tools is none }} {{ 'tools' if tools else 'none' }}");
  expect(template.render({ messages: [user], addGenerationPrompt: true })).toBe("True none");
  expect(template.render({ messages: [user], tools: [], addGenerationPrompt: true })).toBe("True none");
});

test("special tokens and keyword arguments are variables; the caller's win", () => {
  const template = new ChatTemplate("{{ bos_token }}{{ enable_thinking }}{{ add_generation_prompt }}", {
    specialTokens: { bos_token: "<s>" },
  });
  expect(
    template.render({ messages: [], addGenerationPrompt: true, kwargs: { enable_thinking: false } }),
  ).toBe("<s>FalseTrue");
  expect(template.render({ messages: [], addGenerationPrompt: true, kwargs: { bos_token: "B" } })).toBe(
    "BTrue",
  );
});

test("the date comes from the clock that was given", () => {
  const clock = () => new Date(2024, 6, 26, 15, 4, 5).getTime();
  const source =
    "{{ strftime_now('%d %b %Y') }}|{{ strftime_now('%A %B %-d, %I:%M %p %H:%M:%S %j %y %% %F') }}";
  const template = new ChatTemplate(source, { clock });
  expect(template.render({ messages: [], addGenerationPrompt: false })).toBe(
    "26 Jul 2024|Friday July 26, 03:04 PM 15:04:05 208 24 % 2024-07-26",
  );
});

test.each([
  ["{% for %}", "CHAT_TEMPLATE_INVALID"],
  ["{{ a", "CHAT_TEMPLATE_INVALID"],
  ["{% if a %}", "CHAT_TEMPLATE_INVALID"],
  ["{{ a | nosuchfilter }}", "CHAT_TEMPLATE_INVALID"],
  ["{{ a is nosuchtest }}", "CHAT_TEMPLATE_INVALID"],
  ["{% include 'x' %}", "CHAT_TEMPLATE_INVALID"],
  ["{% raw %}{% endraw %}", "CHAT_TEMPLATE_INVALID"],
  ["{% with a = 1 %}{% endwith %}", "CHAT_TEMPLATE_INVALID"],
  ["{%+ if a %}{% endif %}", "CHAT_TEMPLATE_INVALID"],
  ["{{ 6 is divisibleby(3) }}", "CHAT_TEMPLATE_INVALID"],
  ["{{ 6 is divisibleby 3 }}", "CHAT_TEMPLATE_INVALID"],
  ["{{ (1,) }}", "CHAT_TEMPLATE_INVALID"],
  ["{{ 1e3 }}", "CHAT_TEMPLATE_INVALID"],
  ["{{ raise_exception('only users, please') }}", "CHAT_TEMPLATE_REFUSED"],
  ["{{ messages[0].nothing.more }}", "CHAT_TEMPLATE_FAILED"],
  ["{{ messages[0].content.nope() }}", "CHAT_TEMPLATE_FAILED"],
  ["{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "CHAT_TEMPLATE_FAILED"],
])("%s is %s", (source, code) => {
  expect(() => render(source)).toThrow(expect.objectContaining({ code }));
});

test("what the template says reaches the error, and what stumbled is named", () => {
  expect(() => render("{{ raise_exception('only users, please') }}")).toThrow("only users, please");
  expect(() => render("{{ messages[0].nothing.more }}")).toThrow("'messages[...].nothing' is undefined");
  const withNull = "{{ messages[0].tool_calls.strip() }}";
  expect(() => render(withNull, [callWith("{}")])).toThrow("'messages[...].tool_calls' is list");
});

test("a conversation of a hundred turns renders in work linear in its length", () => {
  const turns = (count: number): ChatMessage[] =>
    Array.from({ length: count }, () => [user, callWith('{"a": [1, 2, 3]}')]).flat();
  const source =
    "{% for message in messages %}{{ message.role }}{% for call in message.tool_calls or [] %}{{ call | tojson }}{% endfor %}{% endfor %}";
  const template = new ChatTemplate(source);
  const one = template.render({ messages: turns(1), addGenerationPrompt: false });
  expect(template.render({ messages: turns(100), addGenerationPrompt: false })).toBe(one.repeat(100));
});
