/** The lines around matches, read in a second look: a page of matches is known by then, and so are its files. */
import type { Sandbox } from "../contracts/sandbox.ts";
import { headOf } from "./cap-text.ts";

const longestLineChars = 500;

const script = `
cd /
while [ $# -gt 0 ]; do
  echo -
  sed -n "$2" "$1" | cut -b 1-2001
  shift 2
done
`;

export type Place = { path: string; line: number };

/** Per path (absolute), the text of each line within `around` lines of its places. Rejects as `Sandbox.exec` does. */
export async function linesAround(
  sandbox: Sandbox,
  places: readonly Place[],
  around: number,
  options: { timeoutMs: number; signal: AbortSignal },
): Promise<Map<string, Map<number, string>>> {
  const linesByPath = new Map<string, Map<number, string>>();
  const files = [...Map.groupBy(places, ({ path }) => path)];
  const operands = files.flatMap(([path, found]) => [path, sedProgram(found, around)]);
  const result = await sandbox.exec(
    { argv: ["sh", "-c", script, "sh", ...operands], cwd: "/" },
    { ...options, outputLimitBytes: places.length * (2 * around + 1) * 2_020 + 10_000 },
  );
  const output = Buffer.from(result.stdout).toString("utf8").split("\n");
  let index = -1;
  for (let at = 0; at < output.length; at++) {
    const head = output[at];
    if (head === "-") {
      index += 1;
      linesByPath.set(files[index]?.[0] ?? "", new Map());
    } else if (head !== undefined && /^\d+$/.test(head)) {
      at += 1;
      const path = files[index]?.[0] ?? "";
      linesByPath.get(path)?.set(Number(head), headOf(output[at] ?? "", longestLineChars));
    }
  }
  return linesByPath;
}

/** Prints each line within reach once, its number before it. */
function sedProgram(places: readonly Place[], around: number): string {
  const ranges: { from: number; to: number }[] = [];
  for (const { line } of places) {
    const from = Math.max(1, line - around);
    const last = ranges.at(-1);
    if (last !== undefined && from <= last.to + 1) last.to = Math.max(last.to, line + around);
    else ranges.push({ from, to: line + around });
  }
  const end = ranges.at(-1)?.to ?? 1;
  return [...ranges.map(({ from, to }) => `${from},${to}{=;p;}`), `${end}q`].join("\n");
}
