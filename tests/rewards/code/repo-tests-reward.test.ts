import { spawnSync } from "node:child_process";
import { afterAll, describe, expect, test } from "vitest";
import { toNodeId } from "../../../rewards/code/repo-tests.ts";
import type { SandboxBackend } from "../../../src/contracts/sandbox.ts";
import { bubblewrapSkipReason } from "../../support/local-sandboxes.ts";
import { plainBackend, walledBackend } from "../../support/rollout-context.ts";
import { type LeftBehind, scoreRollout } from "../../support/score-rollout.ts";

const backend = bubblewrapSkipReason === undefined ? walledBackend() : plainBackend();
afterAll(() => backend[Symbol.asyncDispose]());

const tests = `
import unittest
import spool
from spool import wind, Thread


def helper(value):
    assert value == 5


class WindTest(unittest.TestCase):
    def test_wind(self):
        self.assertEqual(wind([3, 1, 2]), [1, 2, 3])

    def test_empty(self):
        if not wind([]):
            self.assertFalse(wind([]))
            return
        self.fail("not empty")

    def test_refuses(self):
        with self.assertRaises(TypeError):
            wind(None)
        self.assertRaises(ValueError, wind, "abc")

    def test_thread(self):
        for length in (1, 2):
            self.assertEqual(Thread(length), length)
        assert Thread(4) == 4
        self.assertAlmostEqual(Thread(4).half, 2.0)
        self.assertIn(3, wind([3]))
        helper(5)

    def test_caught(self):
        try:
            assert wind([1]) == [2]
        except AssertionError:
            pass
        else:
            self.fail("no error")


def test_bare():
    assert wind([2, 1])[0] == 1
    assert len(wind([1])) == 1 and wind([1]) is not None
    assert (1, 2) == tuple(wind([2, 1])), "message"
`;
const ids = [
  "WindTest::test_wind",
  "WindTest::test_empty",
  "WindTest::test_refuses",
  "WindTest::test_thread",
  "WindTest::test_caught",
  "test_bare",
].map((id) => `tests/test_spool.py::${id}`);
const item = {
  tests: { "tests/test_spool.py": tests },
  FAIL_TO_PASS: JSON.stringify(ids.slice(0, 4)),
  PASS_TO_PASS: ids.slice(4),
};

const right = `
class Thread:
    def __init__(self, length):
        self.length = length
        self.half = length / 2
    def __eq__(self, other):
        return self.length == getattr(other, "length", other)

def wind(values):
    if values is None: raise TypeError()
    if values == "abc": raise ValueError()
    return sorted(values)
`;

async function score(
  left: LeftBehind | string,
  params = {},
  row: object = item,
  on: SandboxBackend = backend,
) {
  const behind = typeof left === "string" ? { files: { "spool.py": left } } : left;
  return await scoreRollout(
    on,
    { type: "repo_tests", params: { timeout_s: 20, ...params } },
    { ...row },
    behind,
  );
}

/** A Python with pytest, which sandboxes without walls can run; "" where there is none. */
const pytestPython =
  spawnSync("python3", ["-c", "import pytest, sys; print(sys.executable)"]).stdout?.toString().trim() ?? "";
const plain = plainBackend();
afterAll(() => plain[Symbol.asyncDispose]());

type Way = { backend: SandboxBackend; params: Record<string, string> };
const ways: Record<string, Way> = {
  unittest: { backend, params: { framework: "unittest" } },
  ...(pytestPython !== "" && {
    pytest: { backend: plain, params: { framework: "pytest", python: pytestPython } },
  }),
};

describe.each(Object.entries(ways))("with %s", (framework, { backend, params }) => {
  test("a right repository gets 1, and every test is proven", async () => {
    const result = await score(right, params, item, backend);
    expect(result.score).toBe(1);
    expect(result.metrics).toMatchObject({ "repo_tests/fail_to_pass": 1, "repo_tests/unproven": 0 });
  });

  // pytest is slow to start: what doesn't depend on it is tried once.
  test.skipIf(framework === "pytest").each([
    ["sorted(values)", "sorted(values) + [9]", 0],
    ["length / 2", "length / 3", 0],
    ["raise ValueError()", "pass", 0],
    ["raise TypeError()", "return []", 0],
    ['getattr(other, "length", other)', "1", 0],
  ])("%s as %s is a mistake", async (good, bad, expected) => {
    expect((await score(right.replace(good, bad), params, item, backend)).score).toBe(expected);
  });
});

test("its share counts when nothing else broke", async () => {
  const half = right.replace("length / 2", "length / 3");
  expect((await score(half, { score: "share" })).score).toBe(0.75);
  const broken = right.replace("sorted(values)", "list(values)");
  expect((await score(broken, { score: "share" })).score).toBe(0);
});

const anything = `
class Any(int):
    __eq__ = __ge__ = __le__ = __contains__ = lambda self, *other: True
    __ne__ = lambda self, *other: False
    __hash__ = lambda self: 0
    __getattr__ = lambda self, name: self
    __getitem__ = __call__ = __sub__ = __rsub__ = lambda self, *a: self
    __len__ = lambda self: 1
    __iter__ = lambda self: iter([])
Any.half = Any(2)
`;
const stubs =
  "\ndef wind(*a): return ANY\nclass Thread:\n    half = 2\n    def __init__(self, *a): pass\n    def __eq__(self, other): return True\n".replace(
    "ANY",
    "[]",
  );

describe("earns nothing:", () => {
  test.each<[string, LeftBehind | string]>([
    ["nothing at all", {}],
    ["os._exit(0)", "import os; os._exit(0)"],
    ["sys.exit in a function", `import sys\ndef wind(*a): sys.exit(0)\nThread = wind`],
    ["what equals everything", `${anything}\ndef wind(*a): return Any(0)\ndef Thread(*a): return Any(0)`],
    [
      "patched assertions",
      `${stubs}
import unittest, builtins, contextlib, functools
for name in dir(unittest.TestCase):
    if name.startswith("assert") or name == "fail": setattr(unittest.TestCase, name, lambda self, *a, **k: contextlib.nullcontext())
builtins.AssertionError = type("Never", (BaseException,), {})
`,
    ],
    [
      "a patched test runner",
      `${stubs}
import unittest
def run(self, result=None):
    result.startTest(self); result.addSuccess(self); result.stopTest(self)
unittest.TestCase.run = unittest.TestCase.__call__ = run
try:
    import _pytest.runner, _pytest.python
    _pytest.python.Function.runtest = lambda self: None
except ImportError: pass
`,
    ],
    [
      "forged reports",
      `import os, json
ids = ${JSON.stringify(ids)}
for fd in range(3, 20):
    try:
        for test in ids:
            for number in range(40):
                os.write(fd, (json.dumps({"start": test}) + "\\n" + json.dumps({"held": [number, True]}) + "\\n").encode())
            os.write(fd, (json.dumps({"end": [test, "passed"]}) + "\\n").encode())
        os.write(fd, b'{"over": "unittest"}\\n')
    except OSError: pass
os._exit(0)
`,
    ],
    [
      "patched reports: everything is said to be right",
      `${stubs}
import builtins
for name in list(vars(builtins)):
    if name.startswith("_") and len(name) == 17: setattr(builtins, name, lambda *a: None)
`,
    ],
    [
      "words that are no reports",
      `import os
for fd in range(3, 20):
    try: os.write(fd, b'{"held": ' + b"[" * 200000 + b"]" * 200000 + b"}\\n" + b'{"held": 1}\\n{"held": [[], {}]}\\n{"end": [{}, 1]}\\n')
    except OSError: pass
os._exit(0)
`,
    ],
    [
      "planted configuration",
      {
        files: {
          "spool.py": stubs,
          "conftest.py":
            "import pytest\n@pytest.hookimpl(tryfirst=True)\ndef pytest_pyfunc_call(pyfuncitem): return True\n",
          "tests/conftest.py": "import os; os._exit(0)",
          "pytest.ini": "[pytest]\naddopts = --collect-only\n",
          "tox.ini": "[pytest]\naddopts = --collect-only\n",
          "setup.cfg": "[tool:pytest]\naddopts = --collect-only\n",
          "sitecustomize.py": "import os; os._exit(0)",
          "usercustomize.py": "import os; os._exit(0)",
          "evil.pth": "import os; os._exit(0)",
          "unittest.py": "import os; os._exit(0)",
          "pytest.py": "import os; os._exit(0)",
          "json.py": "import os; os._exit(0)",
          "tests/test_spool.py": "def test_bare(): pass\n",
        },
      },
    ],
    [
      "test files that can't be replaced",
      { files: { "spool.py": stubs }, command: "mkdir -p tests/test_spool.py/x; ln -s /tmp tests/y" },
    ],
    ["a tests folder that is a file", { files: { "spool.py": stubs, tests: "none" } }],
    [
      "a tests folder that is a dangling link",
      { files: { "spool.py": stubs }, command: "ln -s /nonexistent/tests tests" },
    ],
    [
      "a plugin by an entry point",
      {
        files: {
          "spool.py": stubs,
          "evil.py":
            "import pytest\n@pytest.hookimpl(tryfirst=True)\ndef pytest_pyfunc_call(pyfuncitem): return True\n",
          "evil.egg-info/entry_points.txt": "[pytest11]\nevil = evil\n",
          "evil.egg-info/PKG-INFO": "Name: evil\nVersion: 1\n",
        },
      },
    ],
  ])("%s", async (trick, left) => {
    const tried = /patched|planted|plugin/.test(trick)
      ? Object.values(ways)
      : Object.values(ways).slice(0, 1);
    for (const { backend, params } of tried) {
      const { score: given, metrics } = await score(left, { ...params, score: "share" }, item, backend);
      expect(metrics["repo_tests/fail_to_pass"]).toBeLessThan(0.5);
      expect(given).toBe(0);
    }
  });
});

test.skipIf(pytestPython !== "")(
  "pytest: no python3 on this machine has it, so only unittest was tried",
  () => {},
);

test.each([
  ["tests/a.py::B::test_c[1-2]", "tests/a.py::B::test_c[1-2]"],
  ["test_c (tests.a.B)", "tests/a.py::B::test_c"],
  ["test_c (tests.a.B.test_c)", "tests/a.py::B::test_c"],
])("%s is %s", (given, id) => {
  expect(toNodeId(given)).toBe(id);
});

test.each([
  ["no tests", {}],
  ["no ids", { tests: { "a.py": "" }, FAIL_TO_PASS: [] }],
  ["a path out of the repository", { tests: { "../a.py": "" }, FAIL_TO_PASS: ["a.py::b"] }],
])("an item with %s is refused", async (_what, row) => {
  await expect(score({}, {}, row)).rejects.toMatchObject({ code: "REWARD_ITEM_INVALID" });
});
