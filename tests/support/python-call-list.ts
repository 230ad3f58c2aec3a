/** Python's own ast module as the judge of our reader of call lists. */
import { spawnSync } from "node:child_process";

/** What Python makes of a text: each call with its arguments as JSON, or null where the whole is refused. */
export type CallListVerdict = [name: string, argumentsJson: string][] | null;

const SCRIPT = `
import ast, json, sys, warnings
warnings.simplefilter("ignore")
NAMES = {"null": None, "true": True, "false": False}

def value(node):
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Name):
        return NAMES[node.id]
    if isinstance(node, ast.List):
        return [value(item) for item in node.elts]
    if isinstance(node, ast.Dict):
        return {key.value: value(item) for key, item in zip(node.keys, node.values)}
    raise ValueError(type(node).__name__)

def path(node):
    return node.id if isinstance(node, ast.Name) else path(node.value) + "." + node.attr

def read(text):
    try:
        listed = ast.parse(text).body[0].value
        if not isinstance(listed, ast.List):
            return None
        calls = []
        for call in listed.elts:
            arguments = {keyword.arg: value(keyword.value) for keyword in call.keywords}
            calls.append([path(call.func), json.dumps(arguments, ensure_ascii=False)])
        return calls
    except (Exception, MemoryError, RecursionError):
        return None

json.dump([read(text) for text in json.load(sys.stdin)], sys.stdout)
`;

export function judgeCallLists(texts: readonly string[]): CallListVerdict[] {
  const { status, stdout, stderr } = spawnSync("python3", ["-c", SCRIPT], {
    input: JSON.stringify(texts),
    encoding: "utf8",
    maxBuffer: 256 * 1024 * 1024,
  });
  if (status !== 0) throw new Error(`python3: ${stderr}`);
  return JSON.parse(stdout);
}
