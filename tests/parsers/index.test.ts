import { expect, test } from "vitest";
import { getParser, parserNames, reasoningParserNames } from "../../parsers/index.ts";
import type { ToolSchema } from "../../src/contracts/chat.ts";

const vllmNames =
  "apertus cohere_command3 cohere_command4 deepseek_v3 deepseek_v31 deepseek_v32 deepseek_v4 ernie45 functiongemma gemma4 gigachat3 glm45 glm47 granite granite-20b-fc granite4 hermes hunyuan_a13b hy_v3 inkling internlm jamba kimi_k2 kimi_k3 lfm2 ling3 llama3_json llama4_json llama4_pythonic longcat mimo minicpm5 minimax minimax_m2 minimax_m3 mistral olmo3 openai phi4_mini_json poolside_v1 pythonic qwen3_coder qwen3_xml seed_oss solar_open2 step3 step3p5 xlam";
const hermesAgentNames =
  "deepseek_v3 deepseek_v3_1 deepseek_v31 glm45 glm47 hermes kimi_k2 llama llama3_json llama4_json longcat mistral qwen qwen3_coder";
const sglangNames =
  "apertus2509 deepseekv3 deepseekv31 deepseekv32 deepseekv4 glm gpt-oss hunyuan interns1 llama3 minimax-m2 minimax-m3 muse qwen25 trinity";
const reasoningNames =
  "deepseek_r1 deepseek_v3 holo2 deepseek_v4 poolside_v1 cohere_command3 cohere_command4 ernie45 gemma4 glm45 glm47 ling3 openai_gptoss granite hunyuan_a13b hy_v3 kimi_k2 kimi_k3 mimo minimax_m2 minimax_m2_append_think minimax_m3 mistral nemotron_v3 olmo3 qwen3 seed_oss step3 step3p5 inkling";

const tool: ToolSchema = {
  type: "function",
  function: {
    name: "get_weather",
    description: "",
    parameters: { type: "object", properties: { city: { type: "string" } } },
  },
};

test.each(`${vllmNames} ${hermesAgentNames} ${sglangNames}`.split(" "))(
  "there is a parser named %s",
  (name) => {
    expect(parserNames).toContain(name);
    const call = { name: "get_weather", arguments: '{"city": "Paris"}' };
    const parser = getParser(name);
    const { toolCalls } = parser.parse(parser.format({ toolCalls: [call] }), { tools: [tool] });
    expect(toolCalls.map((each) => [each.name, JSON.parse(each.arguments)])).toEqual([
      [call.name, { city: "Paris" }],
    ]);
  },
);

test("there is a reasoning parser for every name of vLLM", () => {
  expect(reasoningParserNames).toEqual(expect.arrayContaining(reasoningNames.split(" ")));
});
