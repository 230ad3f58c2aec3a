import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { SandboxBackend } from "../../src/contracts/sandbox.ts";
import type { EnvRolloutContext } from "../../src/env/rollout-context.ts";
import { plainBackend, rolloutContext, toolCaller } from "../support/rollout-context.ts";

let backend: SandboxBackend;
let context: EnvRolloutContext;
let call: ReturnType<typeof toolCaller>;

beforeAll(() => {
  backend = plainBackend();
  context = rolloutContext(backend);
  call = toolCaller(context);
});

afterAll(async () => {
  await context[Symbol.asyncDispose]();
  await backend[Symbol.asyncDispose]();
});

const caller =
  (rollout: EnvRolloutContext) =>
  (code: string, rest: object = {}) =>
    toolCaller(rollout)("python", { code, ...rest });
const python = (code: string, rest: object = {}) => caller(context)(code, rest);
const success = (output: string, result?: string) => ({
  ok: true,
  status: "success",
  output,
  ...(result !== undefined && { result }),
});

describe("python: values and output", () => {
  test.each<[string, string, string, string | undefined]>([
    ["the last expression's value", "16 - 3 - 4", "", "9"],
    ["no value for None", "None", "", undefined],
    ["no value where the code ends with a statement", "y = 3", "", undefined],
    ["what is printed, and the value", "print('a'); 1 + 1", "a\n", "2"],
    ["the value of the last line only", "1\n2\n", "", "2"],
    ["the empty string as its repr", "''", "", "''"],
    ["nothing for no code", "", "", undefined],
    ["a comment alone", "# thinking", "", undefined],
    [
      "stdout and stderr in order",
      "import sys\nprint('a')\nprint('b', file=sys.stderr)\nprint('c')",
      "a\nb\nc\n",
      undefined,
    ],
    [
      "output of subprocesses",
      "import subprocess\nsubprocess.run(['sh', '-c', 'echo out; echo err >&2']).returncode",
      "out\nerr\n",
      "0",
    ],
    [
      "bytes written to the descriptors themselves",
      "import os\nos.write(1, b'one '), os.write(2, b'two')",
      "one two",
      "(4, 3)",
    ],
    ["text beyond the BMP", "print('\u{1F9F5}'); '\u00e9\u{1F9F5}'", "\u{1F9F5}\n", "'\u00e9\u{1F9F5}'"],
    ["lone surrogates, escaped", "print('\\ud800')\n'\\udfff'", "\\ud800\n", "'\\udfff'"],
    [
      "bytes that are no UTF-8, replaced",
      "import sys\nsys.stdout.buffer.write(b'\\xff\\n')",
      "\ufffd\n",
      "2",
    ],
    ["NUL bytes", "print('a\\0b')", "a\0b\n", undefined],
    ["text without a line end", "print('x', end='')", "x", undefined],
    ["the main module's name", "__name__", "", "'__main__'"],
  ])("shows %s", async (_name, code, output, result) => {
    expect(await python(code)).toEqual(success(output, result));
  });

  test("state lives on: variables, imports, functions, classes", async () => {
    await python("import math\nradius = 2\nclass Circle:\n  def area(self): return math.pi * radius ** 2");
    await python("def double(x):\n  return 2 * x");
    expect(await python("round(double(Circle().area()), 3)")).toEqual(success("", "25.133"));
  });

  test("modules of the workspace can be imported, and shadow nothing of the session's own", async () => {
    for (const name of ["helper", "traceback", "ast", "signal"]) {
      await call("write_file", { path: `${name}.py`, content: "value = 7" });
    }
    await python("import os; os._exit(0)");
    expect(await python("import helper; helper.value")).toEqual(success("", "7"));
    expect(await python("1/0")).toMatchObject({
      status: "error",
      error: expect.stringContaining("ZeroDivisionError"),
    });
    await call("terminal", { command: "rm *.py" });
  });

  test("what pickles needs of the main module is there", async () => {
    const code = "import pickle\nclass P:\n  pass\ntype(pickle.loads(pickle.dumps(P()))) is P";
    expect(await python(code)).toEqual(success("", "True"));
  });

  test("output is cut in the middle, and so are values and tracebacks", async () => {
    const flood = await python("for i in range(200_000): print(i)");
    expect(String(flood.output)).toMatch(
      /^0\n1\n[\s\S]*OUTPUT TRUNCATED: \d+ of 1288890 characters[\s\S]*199999\n$/,
    );
    expect(String(flood.output).length).toBeLessThan(50_100);

    const value = await python("'x' * 1_000_000");
    expect(String(value.result)).toMatch(/^'x+\n\n\.\.\. \[OUTPUT TRUNCATED: 980002 of 1000002 .*\n\nx+'$/);

    const deep = await python("raise ValueError('y' * 1_000_000)");
    expect(String(deep.error).length).toBeLessThan(20_100);
    expect(String(deep.error)).toMatch(/^Traceback[\s\S]*OUTPUT TRUNCATED/);
  });
});

describe("python: mistakes", () => {
  test.each<[string, string, string]>([
    [
      "an exception, with the line and its source",
      "def f():\n  return 1/0\nf()",
      "line 3, in <module>\n    f()",
    ],
    ["its innermost frame", "def f():\n  return 1/0\nf()", "in f\n    return 1/0"],
    [
      "a chain of exceptions",
      "try:\n  1/0\nexcept Exception:\n  raise KeyError('k')",
      "During handling of the above",
    ],
    ["a syntax error", "x = = 1", "SyntaxError: invalid syntax"],
    ["an indentation error", "  x = 1", "IndentationError: unexpected indent"],
    ["reading from the keyboard", "input('name? ')", "EOFError"],
    ["an unknown name", "undefined_name", "NameError: name 'undefined_name' is not defined"],
    ["recursion without end", "def f(): return f()\nf()", "RecursionError"],
    ["a NUL in the source", "x = 1\0", "null bytes"],
    ["leaving with a code", "import sys; sys.exit(3)", "SystemExit: 3"],
    [
      "a value that cannot be shown",
      "class Bad:\n  def __repr__(self): raise ValueError('no repr')\nBad()",
      "ValueError: no repr",
    ],
    [
      "an exception that cannot be shown",
      "class Bad(Exception):\n  def __str__(self): raise ValueError\nraise Bad()",
      "Bad: <exception str() failed>",
    ],
    ["a group of exceptions", "raise ExceptionGroup('several', [ValueError(1)])", "ExceptionGroup: several"],
  ])("shows %s as text", async (_name, code, text) => {
    const result = await python(code);
    expect(result).toMatchObject({ ok: false, status: "error" });
    expect(result.error).toContain(text);
    expect(result.error).not.toContain("<repl>");
  });

  test("that the code prints itself show the lines of the cells", async () => {
    await python("import os; os._exit(0)");
    await python("def half(x):\n  return x / 0");
    const code = "import traceback\ntry: half(1)\nexcept ZeroDivisionError: traceback.print_exc()";
    const { output } = await python(code);
    expect(output).toMatch(/"<cell 2>", line 2, in <module>\n {4}try: half\(1\)/);
    expect(output).toMatch(/"<cell 1>", line 2, in half\n {4}return x \/ 0/);
  });

  test("keep their message where no traceback can be made", async () => {
    const code = "import sys\nsys.modules['traceback'] = None\nraise ValueError('seven is too many')";
    await python("import os; os._exit(0)");
    expect(await python(code)).toMatchObject({
      status: "error",
      error: "ValueError: seven is too many (its traceback cannot be shown)",
    });
    await python("import os; os._exit(0)");
  });

  test("leave what was printed before and all variables", async () => {
    expect(await python("kept = 5\nprint('so far')\nraise ValueError")).toMatchObject({ output: "so far\n" });
    expect(await python("kept")).toEqual(success("", "5"));
  });

  test("leaving without a code is no mistake", async () => {
    expect(await python("print('bye')\nexit()\nprint('never')")).toEqual(success("bye\n"));
  });
});

describe.concurrent("python: time", () => {
  test.each<[string, string]>([
    ["a busy loop", "while True: pass"],
    ["a sleep", "import time; time.sleep(60)"],
    ["a loop that catches exceptions", "while True:\n  try:\n    1/0\n  except Exception:\n    pass"],
    ["a subprocess", "import subprocess; subprocess.run(['sleep', '60'])"],
    [
      "a thread that is waited for",
      "import threading\nt = threading.Thread(target=lambda: __import__('time').sleep(60), daemon=True)\nt.start(); t.join()",
    ],
    ["an event loop", "import asyncio; asyncio.run(asyncio.sleep(60))"],
    [
      "a value that takes forever to show",
      "class Slow:\n  def __repr__(self):\n    while True: pass\nSlow()",
    ],
  ])("interrupts %s and keeps the variables", async (_name, code) => {
    await using own = rolloutContext(backend);
    const python = caller(own);
    await python("before = 'kept'");
    const result = await python(`print('started')\n${code}`, { timeout: 1 });
    expect(result).toMatchObject({ ok: false, status: "timeout", output: "started\n" });
    expect(result.error).toMatch(/^The call was stopped at its limit of 1 s\. Variables are kept\.\n/);
    expect(result.error).not.toContain("<repl>");
    expect(await python("before")).toEqual(success("", "'kept'"));
  });

  test("kills what does not let itself be interrupted, and says that the variables are lost", async () => {
    await using own = rolloutContext(backend);
    const python = caller(own);
    await python("before = 'lost'");
    const stubborn =
      "import time\nprint('started')\nwhile True:\n  try:\n    time.sleep(60)\n  except BaseException:\n    pass";
    const result = await python(stubborn, { timeout: 1 });
    expect(result).toMatchObject({ ok: false, status: "timeout", output: "started\n" });
    expect(result.error).toMatch(/limit of 1 s, so Python was killed\. All variables are lost/);
    expect(await python("before")).toMatchObject({ error: expect.stringContaining("NameError") });
  });

  test("an aborted rollout rejects at once with the reason", async () => {
    const rollout = new AbortController();
    await using aborted = rolloutContext(backend, { signal: rollout.signal });
    const callAborted = toolCaller(aborted);
    await callAborted("python", { code: "1" });
    const running = callAborted("python", { code: "while True: pass" });
    rollout.abort(new Error("stopped"));
    await expect(running).rejects.toThrow("stopped");
  });
});

test("calls made at the same time run one after the other, in order", async () => {
  await python("order = []");
  const codes = [1, 2, 3, 4, 5].map((n) => `import time; time.sleep(0.02); order.append(${n}); order[-1]`);
  const results = await Promise.all(codes.map((code) => python(code)));
  expect(results.map(({ result }) => result)).toEqual(["1", "2", "3", "4", "5"]);
  expect(await python("order")).toEqual(success("", "[1, 2, 3, 4, 5]"));
});

test.each([
  ["is missing", 127, { code: "TOOL_PROGRAM_MISSING", retryable: false }],
  ["is killed as it starts", 137, { code: "SANDBOX_START_FAILED", retryable: true }],
])("a Python that %s is a failure of the machinery", async (_case, exitCode, failure) => {
  await using fresh = rolloutContext(backend);
  const sandbox = await fresh.sandbox();
  const { spawn } = sandbox;
  sandbox.spawn = (_command, options) =>
    spawn.call(sandbox, { shell: `echo last words >&2; exit ${exitCode}` }, options);
  await expect(toolCaller(fresh)("python", { code: "1" })).rejects.toMatchObject({
    ...failure,
    message: expect.stringContaining("last words"),
  });
});

test("a sandbox that dies as Python starts in it is the one to blame", async () => {
  await using fresh = rolloutContext(backend);
  const sandbox = await fresh.sandbox();
  const { spawn } = sandbox;
  sandbox.spawn = async (_command, options) => {
    const process = await spawn.call(sandbox, { shell: "sleep 60" }, options);
    void sandbox[Symbol.asyncDispose]();
    return process;
  };
  await expect(toolCaller(fresh)("python", { code: "1" })).rejects.toMatchObject({
    code: expect.stringMatching(/^SANDBOX_(CLOSED|DIED)$/),
  });
});

test("a sandbox that dies under a call is a failure of the machinery, not of the code", async () => {
  await using fresh = rolloutContext(backend);
  const python = caller(fresh);
  await python("1");
  const running = expect(python("import time; time.sleep(60)")).rejects.toMatchObject({
    code: expect.stringMatching(/^SANDBOX_/),
  });
  await (await fresh.sandbox())[Symbol.asyncDispose]();
  await running;
});
