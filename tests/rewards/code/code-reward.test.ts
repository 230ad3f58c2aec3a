import { deflateSync } from "node:zlib";
import { afterAll, describe, expect, test } from "vitest";
import type { RewardItem } from "../../../rewards/reward.ts";
import { bubblewrapSkipReason } from "../../support/local-sandboxes.ts";
import { plainBackend, walledBackend } from "../../support/rollout-context.ts";
import { fenced, type LeftBehind, scoreRollout } from "../../support/score-rollout.ts";

const backend = bubblewrapSkipReason === undefined ? walledBackend() : plainBackend();
afterAll(() => backend[Symbol.asyncDispose]());

async function score(item: RewardItem, left: LeftBehind | string, params = {}): Promise<number> {
  const spec = { type: "code", params: { test_timeout_s: 5, ...params } };
  const behind = typeof left === "string" ? { answer: fenced(left) } : left;
  return (await scoreRollout(backend, spec, item, behind)).score;
}

const sums: RewardItem = {
  tests: [
    { input: "1 2\n", output: "3" },
    { input: "5 7\n", output: "12\n" },
  ],
};
const sumProgram = "print(sum(map(int, input().split())))";
const twice: RewardItem = {
  tests: [
    { function: "twice", args: [4], expected: 8 },
    { function: "twice", args: [[1, 2]], expected: [1, 2, 1, 2] },
  ],
};
const humanEval: RewardItem = {
  prompt:
    'import math\n\ndef helper(x):\n    return x + 1\n\ndef after(x: int) -> int:\n    """The next number."""\n',
  entry_point: "after",
  test: "def check(candidate):\n    assert candidate(1) == 2\n    assert candidate(41) == helper(41)\n    assert math.isclose(candidate(2), 3)\n",
};
const mbpp: RewardItem = {
  test_setup_code: "import math",
  test_list: ["assert shared((3, 4, 5), (5, 4)) == (4, 5)", "assert set(shared((1, 2), (2, 3))) == {2}"],
};
const mbppProgram = "def shared(a, b):\n    return tuple(sorted(set(a) & set(b)))";

describe("right programs get 1", () => {
  test.each<[string, RewardItem, string]>([
    ["input and output", sums, sumProgram],
    ["APPS with input and output", { input_output: '{"inputs": ["1 2"], "outputs": ["3\\n"]}' }, sumProgram],
    [
      "APPS with a function",
      { input_output: { fn_name: "add", inputs: [[1, 2]], outputs: [[3]] } },
      "class Solution:\n    def add(self, a, b):\n        return a + b",
    ],
    [
      "LiveCodeBench",
      {
        public_test_cases: JSON.stringify([
          { input: "[1, 2]\n3", output: "[3, 1, 2]", testtype: "functional" },
        ]),
        private_test_cases: deflateSync(
          `\x80\x04X${JSON.stringify([{ input: "[]\n1", output: "[1]", testtype: "functional" }])}.`,
        ).toString("base64"),
        metadata: '{"func_name": "front"}',
      },
      "class Solution:\n    def front(self, values, value):\n        return [value] + values",
    ],
    ["a function", twice, "def twice(x): return x * 2"],
    ["MBPP", mbpp, mbppProgram],
    ["HumanEval", humanEval, "def after(x): return x + 1"],
    [
      "arguments that are changed in place",
      { tests: ["x = [3, 1, {'a': 2}]\nput(x)\nassert x == [{'a': 2}, 1, 3]"] },
      "def put(x): x.reverse()",
    ],
    [
      "functions in and out",
      { tests: ["assert compose(lambda x: x + 1, abs)(-3) == 4"] },
      "def compose(f, g): return lambda x: f(g(x))",
    ],
    [
      "objects and exceptions",
      {
        tests: [
          "s = Stack()\ns.push(4)\nassert len(s) == 1 and s.pop() == 4\ntry:\n    s.pop()\nexcept IndexError as e:\n    assert 'empty' in str(e)\nelse:\n    assert False",
        ],
      },
      "class Stack:\n    def __init__(self): self.items = []\n    def push(self, x): self.items.append(x)\n    def __len__(self): return len(self.items)\n    def pop(self): return self.items.pop()",
    ],
    [
      "values of every plain type",
      {
        tests: [
          "assert same((1, 2**70, -2**70, 1.5, float('inf'), 'ä\\ud800', b'x', None, True, {1, 2}, {(1, 2): [3]}, frozenset([1]), 1j, range(3))) == (1, 2**70, -2**70, 1.5, float('inf'), 'ä\\ud800', b'x', None, True, {1, 2}, {(1, 2): [3]}, frozenset([1]), 1j, range(3))",
          "assert list(same(x for x in 'ab')) == ['a', 'b']",
          "from collections import *\nassert same(Counter('aab')) == {'a': 2, 'b': 1}\nassert type(same([1])) is list and type(same(True)) is bool",
        ],
      },
      "def same(x): return x",
    ],
  ])("%s", async (_what, item, program) => {
    expect(await score(item, program)).toBe(1);
  });

  test("a file in the workspace, with a module beside it", async () => {
    const files = { "solution.py": "from words import after\n", "words.py": "def after(x): return x + 1" };
    expect(await score(humanEval, { files }, { answer: "file" })).toBe(1);
    const stdio = { "solution.py": "import words; words.main()", "words.py": `def main(): ${sumProgram}` };
    expect(await score(sums, { files: stdio }, { answer: "file" })).toBe(1);
  });
});

describe("wrong ones get 0, or their share", () => {
  test.each<[number, string, RewardItem, string, object?]>([
    [0, "half of the tests", sums, "input(); print(3)"],
    [0.5, "half of the tests, shared", sums, "input(); print(3)", { score: "share" }],
    [0.5, "half of the asserts, shared", mbpp, "def shared(a, b): return {2}", { score: "share" }],
    [0, "the right output and a crash", sums, `${sumProgram}\nraise SystemExit(3)`],
    [0, "a program that hangs", sums, "while True: pass", { test_timeout_s: 0.5 }],
    [0, "a function that hangs", humanEval, "def after(x):\n    while True: pass", { test_timeout_s: 1 }],
    [0, "no function", humanEval, "x = 1"],
    [0, "a syntax error", humanEval, "def after(x: return"],
    [0, "an answer that prints without end", sums, "while True: print('3' * 9999)", { test_timeout_s: 2 }],
    [0, "a tuple in a list's place", { tests: ["assert f() == [1]"] }, "def f(): return (1,)"],
    [0, "a proxy in a number's place", { tests: ["assert f() == 1"] }, "def f(): return object()"],
  ])("%d for %s", async (expected, _what, item, program, params = {}) => {
    expect(await score(item, program, params)).toBe(expected);
  });

  test.each(["", "Here: x = 1", "```python\nprint(1)"])("no block of code: %j", async (answer) => {
    expect(await score(sums, { answer })).toBe(0);
  });

  test.each([
    ["none", {}],
    ["a directory", { command: "mkdir solution.py" }],
    ["a link to something endless", { command: "ln -s /dev/zero solution.py" }],
  ])("no file: %s", async (_what, left) => {
    expect(await score(sums, left, { answer: "file" })).toBe(0);
  });
});

test.each<[string, RewardItem]>([
  ["without tests", { prompt: "x" }],
  ["with tests of another form", { tests: 4 }],
  ["with more inputs than outputs", { input_output: { inputs: ["1"], outputs: [] } }],
])("an item %s is refused", async (_what, item) => {
  await expect(score(item, "x")).rejects.toMatchObject({ code: "REWARD_ITEM_INVALID" });
});

test.each([
  ["stdio", sums, { command: ["no-such-python", "{file}"] }],
  ["call", twice, { python: "no-such-python" }],
])("a program that the sandbox lacks is no mistake of the model's: %s", async (_kind, item, params) => {
  await expect(score(item, sumProgram, params)).rejects.toMatchObject({ code: "TEST_RUNNER_FAILED" });
});

test("tests that are no code are the item's fault, and no score", async () => {
  await expect(score({ tests: ["assert f( == 1"] }, "def f(): pass")).rejects.toMatchObject({
    code: "REWARD_ITEM_INVALID",
  });
});
