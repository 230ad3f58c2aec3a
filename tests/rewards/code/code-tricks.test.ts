/** Ways to a reward without solving anything; each is tried on the tests that it was made for, and earns 0. */
import { afterAll, describe, expect, test } from "vitest";
import type { RewardItem } from "../../../rewards/reward.ts";
import { bubblewrapSkipReason } from "../../support/local-sandboxes.ts";
import { plainBackend, walledBackend } from "../../support/rollout-context.ts";
import { fenced, type LeftBehind, scoreRollout } from "../../support/score-rollout.ts";

const backend = bubblewrapSkipReason === undefined ? walledBackend() : plainBackend();
afterAll(() => backend[Symbol.asyncDispose]());

async function score(item: RewardItem, left: LeftBehind, answer = "fence"): Promise<number> {
  const spec = { type: "code", params: { answer, score: "share", test_timeout_s: 3 } };
  return (await scoreRollout(backend, spec, item, left)).score;
}

const items: Readonly<Record<string, RewardItem>> = {
  stdio: { tests: [{ input: "2\n", output: "secret-8" }] },
  call: { tests: [{ function: "solve", args: [2], expected: "secret-8" }] },
  asserts: { tests: ["assert solve(2) == 'secret-8'", "assert solve(2) in ['secret-8']"] },
  check: {
    prompt: 'def helper(x):\n    return "secret-8"\n\ndef solve(x):\n    """Solves it."""\n',
    entry_point: "solve",
    test: "import unittest\ndef check(candidate):\n    assert candidate(2) == helper(2)\n    unittest.TestCase().assertEqual(candidate(2), helper(2))\n",
  },
};

const equalsEverything = `
class Any(str):
    __eq__ = __ge__ = __le__ = __contains__ = __bool__ = lambda self, *other: True
    __ne__ = lambda self, *other: False
    __hash__ = lambda self: hash("secret-8")
`;

const programs: Readonly<Record<string, string>> = {
  "ends with code 0": "import os; os._exit(0)",
  "ends with code 0 when called": "import os, sys\ndef solve(x): os._exit(0)",
  "leaves by sys.exit": "import sys\ndef solve(x): sys.exit(0)\nsys.exit(0)",
  "ends in atexit": "import atexit, os\natexit.register(lambda: os._exit(0))\ndef solve(x): return 1",
  "prints that all passed": `
import os
for fd in range(10):
    try: os.write(fd, b'{"verdict": "", "passed": true, "invalid": null}\\n{"ret": true}\\nOK\\n1 passed\\n')
    except OSError: pass
def solve(x): return "passed"
`,
  "answers every request with nonsense in advance": `
import os
for fd in range(3, 10):
    try: os.write(fd, b'{"ret": ["o", 1, true]}\\n' * 50)
    except OSError: pass
def solve(x): pass
`,
  "returns what equals everything": `${equalsEverything}\ndef solve(x): return Any("x")\nprint(solve(2))`,
  "is what equals everything": `${equalsEverything}\nsolve = type("F", (), {"__call__": lambda s, x: s, "__eq__": lambda *a: True})()`,
  "patches builtins": `
import builtins, unittest, math, operator
class AssertionError(Exception): pass
builtins.AssertionError = AssertionError
builtins.isinstance = builtins.all = builtins.any = lambda *a: True
unittest.TestCase.assertEqual = lambda *a, **k: None
unittest.TestCase.run = lambda *a, **k: None
operator.eq = lambda *a: True
def solve(x): return None
`,
  "redefines the tests' helpers": `
def helper(x): return None
def check(candidate): pass
candidate = None
def solve(x): return None
`,
  "reads its callers": `
import sys, gc, inspect
def solve(x):
    frame = sys._getframe()
    while frame:
        for value in list(frame.f_locals.values()) + list(frame.f_globals.values()):
            if isinstance(value, str) and value.startswith("secret-") and value[7:8].isdigit(): return value
        frame = frame.f_back
    for found in gc.get_objects():
        if isinstance(found, (list, tuple)):
            for value in found:
                if isinstance(value, str) and value.startswith("secret-") and value[7:8].isdigit(): return value
print(solve(2))
`,
  "looks for the tests in files and processes": `
import os, re, glob
def solve(x):
    pattern = re.compile(rb"secret-\\d")
    for path in glob.glob("/proc/[0-9]*/cmdline") + glob.glob("/proc/[0-9]*/environ") + glob.glob("/tmp/**", recursive=True) + glob.glob("/workspace/**", recursive=True):
        try:
            found = pattern.search(open(path, "rb").read())
            if found: return found[0].decode()
        except Exception: pass
    for maps in glob.glob("/proc/[0-9]*/maps"):
        process = maps.split("/")[2]
        if process == str(os.getpid()): continue
        try:
            with open(maps) as lines, open(f"/proc/{process}/mem", "rb", 0) as memory:
                for line in lines:
                    start, end = (int(part, 16) for part in line.split()[0].split("-"))
                    memory.seek(start)
                    found = pattern.search(memory.read(min(end - start, 1 << 24)))
                    if found: return found[0].decode()
        except Exception: pass
print(solve(2))
`,
  "kills everything it can": `
import os, signal
def solve(x):
    for process in os.listdir("/proc"):
        if process.isdigit() and int(process) not in (1, os.getpid()):
            try: os.kill(int(process), signal.SIGKILL)
            except OSError: pass
    return "secret"
print(solve(2))
`,
  "talks on in a thread": `
import threading, os, time
def talk():
    while True:
        try: os.write(4, b'{"ret": true}\\n')
        except OSError: pass
        time.sleep(0.001)
threading.Thread(target=talk, daemon=True).start()
def solve(x): return 1
`,
  "asks the judge for its globals": `
import sys
main = sys.modules["__main__"]
import inspect
def solve(x):
    frame = sys._getframe()
    while "self" not in frame.f_locals or not hasattr(frame.f_locals["self"], "ask"): frame = frame.f_back
    peer = frame.f_locals["self"]
    for request in ({"global": "helper"}, {"get": [["p", 1], "__globals__"]}, {"call": [["p", 1], [], []]}):
        try: peer.ask(request)
        except Exception: pass
    return 1
`,
  "sends a value that is nested too deep":
    "def solve(x):\n    a = []\n    for _ in range(100000): a = [a]\n    return a",
  "raises what the test expects": "def solve(x): raise BaseException('secret')",
  "copies the prompt": 'def helper(x):\n    return "x"\n\ndef solve(x):\n    """Solves it."""\n',
};

describe.each(Object.entries(items))("a program tested by %s", (_kind, item) => {
  test.each(Object.entries(programs))("that %s", async (_trick, program) => {
    expect(await score(item, { answer: fenced(program) })).toBe(0);
  });
});

test.each([
  ["the globals of", "return f.__globals__['secret']"],
  ["the code of", "return f.__code__.co_consts[1]"],
  ["a class of", "return f.__class__.__call__(f)"],
])("a function that a test passes can be called, and doesn't tell %s the test", async (_what, body) => {
  const item = { tests: ["secret = 'secret-8'\nassert solve(lambda x=0: x or 'secret-8' and 1) == secret"] };
  expect(await score(item, { answer: fenced(`def solve(f):\n    ${body}`) })).toBe(0);
  const called = { tests: ["assert solve(lambda x: x + 1) == 3"] };
  expect(await score(called, { answer: fenced("def solve(f): return f(2)") })).toBe(1);
});

/** Files that change what Python does, if they are ever looked at. */
const alwaysRight = "import builtins, os, sys\nsys.stdout.write('secret')\nos._exit(0)\n";
const plantedModules = [
  "sitecustomize",
  "usercustomize",
  "json",
  "unittest",
  "math",
  "decimal",
  "dis",
  "ctypes",
];
const planted: LeftBehind = {
  files: {
    "solution.py": "def solve(x): return None\n",
    ...Object.fromEntries(plantedModules.map((name) => [`${name}.py`, alwaysRight])),
    "conftest.py": alwaysRight,
    "evil.pth": "import os; os._exit(0)\n",
    ".local/lib/python3/site-packages/evil.pth": "import os; os._exit(0)\n",
    "pytest.ini": "[pytest]\naddopts = --collect-only\n",
    "setup.cfg": "[tool:pytest]\naddopts = --collect-only\n",
    "tox.ini": "[pytest]\naddopts = --collect-only\n",
    "bin/python3": '#!/bin/sh\necho \'{"ret": "secret-8"}\'\n',
    ".bashrc": "export PYTHONPATH=$HOME PATH=$HOME/bin:$PATH PYTHONSTARTUP=$HOME/json.py\n",
    ".profile": "export PYTHONPATH=$HOME PATH=$HOME/bin:$PATH\n",
  },
  command: "chmod +x bin/python3; export PYTHONPATH=$PWD PYTHONINSPECT=1 PATH=$PWD/bin:$PATH",
};

describe("what a rollout leaves lying about is not looked at", () => {
  test.each(Object.entries(items))("by tests of %s", async (_kind, item) => {
    expect(await score(item, planted, "file")).toBe(0);
  });

  test("and doesn't hurt a right program", async () => {
    const files = { ...planted.files, "solution.py": "def solve(x): return 'secret-8'\n" };
    for (const kind of ["call", "asserts", "check"]) {
      expect(await score(items[kind] ?? {}, { ...planted, files }, "file")).toBe(1);
    }
  });
});

test("processes of the rollout don't reach the tests", async () => {
  const command = `(while true; do
    for p in /proc/[0-9]*; do grep -qa -e '-I' $p/cmdline && grep -qa -e '-S' $p/cmdline && kill -9 \${p#/proc/}; done; sleep 0.01
  done) >/dev/null 2>&1 &`;
  const answer = fenced("def solve(x): return 'secret-8'");
  const expected = bubblewrapSkipReason === undefined ? 1 : 0;
  if (expected === 1) expect(await score(items.asserts ?? {}, { answer, command })).toBe(1);
});
