/** Python's own json module as the judge of ours. */
import { spawnSync } from "node:child_process";

export type PythonVerdict = { text: string } | { error: string; position: number };

const SCRIPT = `
import json, sys
verdicts = []
for document in json.load(sys.stdin):
    try:
        value = json.loads(document)
        verdicts.append({"text": json.dumps(value, ensure_ascii=False, separators=(",", ":"))})
    except json.JSONDecodeError as error:
        verdicts.append({"error": error.msg, "position": error.pos})
json.dump(verdicts, sys.stdout)
`;

/** Why Python can't judge here; undefined = it can. */
export function pythonProblem(): string | undefined {
  return spawnSync("python3", ["-c", "pass"]).status === 0 ? undefined : "python3 is not installed";
}

/** What Python makes of each document: read and written again, or the error and its place. */
export function judge(documents: readonly string[]): PythonVerdict[] {
  const { status, stdout, stderr } = spawnSync("python3", ["-c", SCRIPT], {
    input: JSON.stringify(documents),
    encoding: "utf8",
    maxBuffer: 256 * 1024 * 1024,
  });
  if (status !== 0) throw new Error(`python3: ${stderr}`);
  return JSON.parse(stdout);
}
