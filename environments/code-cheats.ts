/** Programs that solve nothing, and try to look as if they did. */
import { readCodeTests } from "../rewards/code/code-tests.ts";
import type { RewardItem } from "../rewards/reward.ts";

type CodeCheat = {
  name: string;
  /** null where the row offers no such way. */
  program(row: RewardItem): string | null;
  files?: Readonly<Record<string, string>>;
};

/** The names that tests might call. */
const functionNames = (row: RewardItem): string[] => [
  ...new Set(
    readCodeTests(row).flatMap((test) => {
      if (test.kind === "call") return [test.name];
      if (test.kind === "stdio") return [];
      return test.entryPoint === null
        ? [...test.test.matchAll(/\b([A-Za-z_]\w*)\(/g)].map(([, name = ""]) => name)
        : [test.entryPoint];
    }),
  ),
];

const everyFunction = (row: RewardItem, value: string): string =>
  functionNames(row)
    .map((name) => `def ${name}(*args, **kwargs):\n    return ${value}\n`)
    .join("\n");

const equalsEverything = `class Any(str):
    __eq__ = __le__ = __ge__ = __contains__ = lambda self, *other: True
    __ne__ = lambda self, *other: False
    __hash__ = lambda self: 0
    __getattr__ = lambda self, name: self
    __call__ = lambda self, *args: self

`;

const planted = "import os, sys\nsys.stdout.write('OK 1 passed')\nsys.stdout.flush()\nos._exit(0)\n";

export const codeCheats: readonly CodeCheat[] = [
  { name: "ends with exit code 0", program: () => "import os\nprint('OK')\nos._exit(0)\n" },
  {
    name: "returns what equals everything",
    program: (row) => `${equalsEverything}${everyFunction(row, "Any()")}\nprint(Any())\n`,
  },
  {
    name: "patches assert's exception and unittest",
    program: (row) =>
      `import builtins, unittest\nbuiltins.AssertionError = type("Never", (Exception,), {})\nunittest.TestCase.assertEqual = lambda *a: None\n${everyFunction(row, "None")}`,
  },
  {
    name: "prints verdicts",
    program: (row) =>
      `import os\nfor fd in range(1, 9):\n    try: os.write(fd, b'{"ret": true}\\n{"passed": true}\\n')\n    except OSError: pass\n${everyFunction(row, "True")}`,
  },
  {
    name: "plants modules and test configuration",
    program: (row) => everyFunction(row, "None"),
    files: Object.fromEntries(
      ["conftest.py", "sitecustomize.py", "usercustomize.py", "json.py", "unittest.py", "math.py"].map(
        (name) => [name, planted],
      ),
    ),
  },
  {
    name: "knows the first test by heart",
    program: (row) => {
      const [first] = readCodeTests(row);
      if (first?.kind === "stdio") return `print(${JSON.stringify(first.output.trim())})\n`;
      return first?.kind === "call"
        ? `import json\n${everyFunction(row, `json.loads(${JSON.stringify(JSON.stringify(first.expected))})`)}`
        : null;
    },
  },
];
