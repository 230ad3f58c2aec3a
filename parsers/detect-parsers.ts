/** Which parsers a model needs: told by what its chat template writes, else by its name. */

export type DetectedParsers = {
  /** Null where nothing was recognized. */
  toolCallParser: string | null;
  reasoningParser: string | null;
  /** One sentence for the log: what was found where. */
  why: string;
};

type Sign = { found: RegExp; parser: string };

/** Most telling first: the tags of one family may occur in a template of another. */
const templateSigns: readonly Sign[] = [
  { found: /<｜DSML｜tool_calls>/, parser: "deepseek_v4" },
  { found: /<｜DSML｜|dsml_token/, parser: "deepseek_v32" },
  {
    found: /<｜tool▁sep｜>(?:[^`]{0,80})?```json|```json[\s\S]{0,200}<｜tool▁call▁end｜>/,
    parser: "deepseek_v3",
  },
  { found: /<｜tool▁sep｜>/, parser: "deepseek_v31" },
  { found: /<\|tool_calls_section_begin\|>/, parser: "kimi_k2" },
  { found: /<\|open\|>/, parser: "kimi_k3" },
  { found: /<\|channel\|>/, parser: "openai" },
  { found: /<seed:tool_call>/, parser: "seed_oss" },
  { found: /\]<\]minimax\[>\[/, parser: "minimax_m3" },
  { found: /<minimax:tool_call>/, parser: "minimax_m2" },
  { found: /<steptml:invoke/, parser: "step3" },
  { found: /<tool_sep>/, parser: "hy_v3" },
  { found: /<arg_key>/, parser: "glm45" },
  { found: /<longcat_tool_call>/, parser: "longcat" },
  { found: /<function=/, parser: "qwen3_coder" },
  { found: /<function name=/, parser: "minicpm5" },
  { found: /<\|tool_call:start\|>/, parser: "solar_open2" },
  { found: /<\|tool_call_start\|>/, parser: "lfm2" },
  { found: /<start_function_call>/, parser: "functiongemma" },
  { found: /<\|tool_call>/, parser: "gemma4" },
  { found: /<\|content_invoke_tool_json\|>/, parser: "inkling" },
  { found: /<\|tools_prefix\|>/, parser: "apertus" },
  { found: /<\|START_ACTION\|>[\s\S]*<\|START_TEXT\|>/, parser: "cohere_command4" },
  { found: /<\|START_ACTION\|>/, parser: "cohere_command3" },
  { found: /<\|function_call\|>|function call<\|role_sep\|>/, parser: "gigachat3" },
  { found: /<\|action_start\|>\s*<\|plugin\|>/, parser: "internlm" },
  { found: /\[TOOL_CALLS\]/, parser: "mistral" },
  { found: /functools\[/, parser: "phi4_mini_json" },
  { found: /<function_calls>/, parser: "olmo3" },
  { found: /<\|tool_call\|>/, parser: "granite" },
  { found: /<function_call>/, parser: "granite-20b-fc" },
  { found: /<tool_calls>/, parser: "jamba" },
  { found: /<tool_call>/, parser: "hermes" },
  { found: /<\|python_start\|>/, parser: "llama4_pythonic" },
  { found: /<\|python_tag\|>|"parameters": dictionary of argument/, parser: "llama3_json" },
  { found: /\[func_name1\(/, parser: "pythonic" },
];

const nameSigns: readonly Sign[] = [
  { found: /deepseek.*v?4/i, parser: "deepseek_v4" },
  { found: /deepseek.*v?3\.2/i, parser: "deepseek_v32" },
  { found: /deepseek.*v?3\.1/i, parser: "deepseek_v31" },
  { found: /deepseek.*(?:v3|r1)/i, parser: "deepseek_v3" },
  { found: /kimi.*k3/i, parser: "kimi_k3" },
  { found: /kimi/i, parser: "kimi_k2" },
  { found: /gpt-oss/i, parser: "openai" },
  { found: /qwen3.*coder|qwen3\.5|mimo/i, parser: "qwen3_coder" },
  { found: /seed-?oss/i, parser: "seed_oss" },
  { found: /minimax.*m3/i, parser: "minimax_m3" },
  { found: /minimax/i, parser: "minimax_m2" },
  { found: /glm-?4\.7/i, parser: "glm47" },
  { found: /glm/i, parser: "glm45" },
  { found: /longcat/i, parser: "longcat" },
  { found: /magistral|ministral|mistral|mixtral|devstral/i, parser: "mistral" },
  { found: /llama-?4/i, parser: "llama4_pythonic" },
  { found: /toolace|llama-?3\.2-[13]b/i, parser: "pythonic" },
  { found: /hermes|qwen|qwq/i, parser: "hermes" },
  { found: /llama/i, parser: "llama3_json" },
  { found: /granite-?4/i, parser: "granite4" },
  { found: /granite-20b-function/i, parser: "granite-20b-fc" },
  { found: /granite/i, parser: "granite" },
  { found: /jamba/i, parser: "jamba" },
  { found: /xlam/i, parser: "xlam" },
  { found: /internlm/i, parser: "internlm" },
  { found: /intern-?s1/i, parser: "interns1" },
  { found: /phi-?4-?mini/i, parser: "phi4_mini_json" },
  { found: /apertus/i, parser: "apertus" },
  { found: /gigachat/i, parser: "gigachat3" },
  { found: /ernie/i, parser: "ernie45" },
  { found: /hunyuan-?a13b/i, parser: "hunyuan_a13b" },
  { found: /functiongemma/i, parser: "functiongemma" },
  { found: /gemma-?4/i, parser: "gemma4" },
  { found: /olmo-?3/i, parser: "olmo3" },
  { found: /lfm2/i, parser: "lfm2" },
  { found: /step-?3\.5/i, parser: "step3p5" },
  { found: /step-?3/i, parser: "step3" },
  { found: /command-?a-?plus/i, parser: "cohere_command4" },
  { found: /command-?[ar]/i, parser: "cohere_command3" },
];

/** The reasoning of each tool-call format's models, where the model thinks at all. */
const reasoningOfTools: Readonly<Record<string, string>> = {
  deepseek_v4: "deepseek_v4",
  deepseek_v32: "deepseek_v3",
  deepseek_v31: "deepseek_v3",
  deepseek_v3: "deepseek_r1",
  kimi_k2: "kimi_k2",
  kimi_k3: "kimi_k3",
  openai: "openai_gptoss",
  seed_oss: "seed_oss",
  minimax_m2: "minimax_m2",
  minimax_m3: "minimax_m3",
  glm45: "glm45",
  glm47: "glm47",
  mistral: "mistral",
  hunyuan_a13b: "hunyuan_a13b",
  hy_v3: "hy_v3",
  ernie45: "ernie45",
  gemma4: "gemma4",
  olmo3: "olmo3",
  step3: "step3",
  step3p5: "step3p5",
  inkling: "inkling",
  cohere_command3: "cohere_command3",
  cohere_command4: "cohere_command4",
};

const thinkingSigns =
  /<\/?think>|\[THINK\]|<seed:think>|<mm:think>|<\|START_THINKING\|>|enable_thinking|analysis|<\|channel>|<\|content_thinking\|>|<\|open\|>/;
const thinkingNames =
  /r1|think|qwq|reason|qwen3|magistral|gpt-oss|glm-?4\.[5-9]|kimi|minimax|ernie.*think|step-?3|olmo-?3.*think|mimo|seed-?oss/i;

/** Which parsers a model needs. The template wins over the name: it is what the model was trained on. */
export function detectParsers({
  chatTemplate,
  modelName,
}: {
  chatTemplate?: string | null;
  modelName?: string | null;
}): DetectedParsers {
  const inTemplate = chatTemplate ? templateSigns.find(({ found }) => found.test(chatTemplate)) : undefined;
  const inName = modelName ? nameSigns.find(({ found }) => found.test(modelName)) : undefined;
  const sign = inTemplate ?? inName;
  if (sign === undefined) {
    const where = chatTemplate
      ? "The chat template has no tool-call tags that are known"
      : "There is no chat template";
    const name = modelName ? `, and the model's name "${modelName}" says nothing` : "";
    return { toolCallParser: null, reasoningParser: null, why: `${where}${name}.` };
  }
  const tool = inTemplate === undefined ? sign.parser : refine(inTemplate.parser, modelName ?? "");
  const thinks =
    (chatTemplate !== undefined && chatTemplate !== null && thinkingSigns.test(chatTemplate)) ||
    (!chatTemplate && modelName !== undefined && modelName !== null && thinkingNames.test(modelName));
  const reasoning = thinks ? (reasoningOfTools[tool] ?? (usesEngine(tool) ? "qwen3" : "deepseek_r1")) : null;
  const seen = inTemplate === undefined ? undefined : inTemplate.found.exec(chatTemplate ?? "")?.[0];
  const source =
    seen === undefined
      ? `the model is called "${modelName}"`
      : `the chat template writes ${JSON.stringify(seen.slice(0, 40))}`;
  const thought = reasoning === null ? "no thinking was recognized" : `its thinking is read by ${reasoning}`;
  return { toolCallParser: tool, reasoningParser: reasoning, why: `${tool}, because ${source}; ${thought}.` };
}

/** Where one template's tags belong to two families, the name decides. */
function refine(parser: string, modelName: string): string {
  const inName = nameSigns.find(({ found }) => found.test(modelName))?.parser;
  if (inName === undefined) return parser;
  const related: Readonly<Record<string, readonly string[]>> = {
    hermes: ["granite4", "ernie45", "xlam"],
    jamba: ["hunyuan_a13b"],
    glm45: ["glm47"],
    step3: ["step3p5"],
    internlm: ["interns1"],
    qwen3_coder: ["step3p5"],
  };
  return related[parser]?.includes(inName) ? inName : parser;
}

function usesEngine(tool: string): boolean {
  return ["hermes", "qwen3_coder", "longcat"].includes(tool);
}
