import { spawnSync } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { JsonlFile } from "../../src/data/jsonl-file.ts";

test("a full disk leaves only whole lines and a clear error", async () => {
  const directory = await mkdtemp(join(tmpdir(), "jsonl-"));
  try {
    const path = join(directory, "rows.jsonl");
    const script = join(directory, "fill.ts");
    const moduleUrl = new URL("../../src/data/jsonl-file.ts", import.meta.url);
    await writeFile(
      script,
      `import { JsonlFile } from ${JSON.stringify(fileURLToPath(moduleUrl))};
       const file = await JsonlFile.overwrite(${JSON.stringify(path)});
       const codes = [];
       for (const size of [1000, 1000, 9000, 500]) {
         await file.append({ text: "x".repeat(size) }).then(() => codes.push("ok"), (error) => codes.push(error.code));
       }
       await file.close();
       console.log(JSON.stringify({ codes, lines: file.lines }));`,
    );
    // A limit on the file's size stands for the full disk: writes beyond it fail midway.
    const child = spawnSync(
      "bash",
      ["-c", `trap '' XFSZ; ulimit -f 8; exec "$0" "$1"`, process.execPath, script],
      {
        encoding: "utf8",
      },
    );
    expect(JSON.parse(child.stdout)).toEqual({ codes: ["ok", "ok", "OUTPUT_UNWRITABLE", "ok"], lines: 3 });
    const lines = (await readFile(path, "utf8")).trimEnd().split("\n");
    expect(lines.map((line) => JSON.parse(line).text.length)).toEqual([1000, 1000, 500]);
  } finally {
    await rm(directory, { recursive: true });
  }
});

test("create leaves an existing file alone, overwrite empties it", async () => {
  const directory = await mkdtemp(join(tmpdir(), "jsonl-"));
  try {
    const path = join(directory, "rows.jsonl");
    await writeFile(path, "old");
    expect(await JsonlFile.create(path)).toBeNull();
    expect(await readFile(path, "utf8")).toBe("old");
    await using file = await JsonlFile.overwrite(path);
    await file.append([1]);
    expect(await readFile(path, "utf8")).toBe("[1]\n");
  } finally {
    await rm(directory, { recursive: true });
  }
});
