/**
 * Trains the tokenizer of the tiny policy (src/tiny-policy/tokenizer) on conversations about tiny-maths problems, as
 * its chat template writes them. Run it only to change the tokenizer: weights made for another one are worthless.
 *
 *   npx node scripts/make-tiny-tokenizer.ts
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { tinyMathsLevels, tinyMathsProblem } from "../environments/tiny-maths-problems.ts";
import type { ChatMessage } from "../src/contracts/chat.ts";
import { ChatTemplate } from "../src/tokens/chat-template.ts";
import { pythonTool } from "../src/tools/python-tool.ts";
import { writeByteLevelTokenizer } from "./train-tokenizer/byte-level-tokenizer.ts";

const folder = join(import.meta.dirname, "../src/tiny-policy/tokenizer");
const template = new ChatTemplate(readFileSync(join(folder, "chat_template.jinja"), "utf8"), {
  name: "The tiny policy's chat template",
  specialTokens: {},
});
const problemsPerLevel = 1500;
/** One conversation of so many has a call that fails. */
const failureEvery = 25;

const failures = [
  "SyntaxError: invalid syntax",
  "SyntaxError: '(' was never closed",
  "SyntaxError: leading zeros in decimal integer literals are not permitted; use an 0o prefix for octal integers",
];

console.log(
  writeByteLevelTokenizer(folder, {
    texts: conversations(),
    // Digits stand alone: numbers are read and written digit by digit. What is between them may become one token
    // whole, however long, so that a call or a phrase costs a handful.
    pieces: String.raw`\p{N}|[^\p{N}]+`,
    size: 512,
    modelMaxLength: 128,
  }),
);

function* conversations(): Generator<string> {
  for (const level of tinyMathsLevels) {
    for (let index = 0; index < problemsPerLevel; index += 1) {
      const { question, expression, answer } = tinyMathsProblem(index, { seed: 0, level, split: "train" });
      const fails = index % failureEvery === failureEvery - 1;
      const result = fails
        ? { status: "error", output: "", error: failureText(expression, index) }
        : { status: "success", output: "", result: String(answer) };
      yield template.render({
        messages: [
          { role: "user", content: question },
          callOf(expression),
          { role: "tool", tool_call_id: "call_0", content: JSON.stringify(result) },
          { role: "assistant", content: String(answer) },
        ],
        tools: [pythonTool().schema],
        addGenerationPrompt: false,
      });
    }
  }
}

function callOf(code: string): ChatMessage {
  const call = { name: "python", arguments: JSON.stringify({ code }) };
  return {
    role: "assistant",
    content: null,
    tool_calls: [{ id: "call_0", type: "function", function: call }],
  };
}

/** As the python tool writes it. */
function failureText(expression: string, index: number): string {
  const why = failures[Math.floor(index / failureEvery) % failures.length];
  return `  File "<cell 1>", line 1\n    ${expression}\n${" ".repeat(4 + expression.length)}^\n${why}\n`;
}
