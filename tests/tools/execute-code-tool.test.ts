import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { LachesisError } from "../../src/contracts/errors.ts";
import type { SandboxBackend } from "../../src/contracts/sandbox.ts";
import type { EnvRolloutContext } from "../../src/env/rollout-context.ts";
import { builtinTools } from "../../src/tools/builtin-tools.ts";
import { defineTool } from "../../src/tools/define-tool.ts";
import { isRunning } from "../support/local-sandboxes.ts";
import {
  plainBackend,
  rolloutContext,
  toolCaller,
  walledBackend,
  walledBackendProblem,
} from "../support/rollout-context.ts";

const walledProblem = await walledBackendProblem();

const brokenTool = defineTool({
  name: "broken",
  description: "Fails as machinery does.",
  toolset: "test",
  parameters: z.strictObject({}),
  run: async () => {
    throw new LachesisError("SANDBOX_DIED", "it died", { retryable: true });
  },
});
const slowTool = defineTool({
  name: "slow",
  description: "Never answers.",
  toolset: "test",
  parameters: z.strictObject({}),
  run: (_args, { signal }) =>
    new Promise((_resolve, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    }),
});

describe.each<[string, () => SandboxBackend, string | null]>([
  ["plain processes", plainBackend, null],
  ["bubblewrap", walledBackend, walledProblem],
])("execute_code in %s", (_name, makeBackend, problem) => {
  if (problem !== null) {
    test.skip(`skipped: ${problem}`, () => {});
    return;
  }
  let backend: SandboxBackend;
  let context: EnvRolloutContext;
  let call: ReturnType<typeof toolCaller>;
  const tools = [...builtinTools(), brokenTool, slowTool];

  beforeAll(() => {
    backend = makeBackend();
    context = rolloutContext(backend, { tools });
    call = toolCaller(context);
  });
  afterAll(async () => {
    await context[Symbol.asyncDispose]();
    await backend[Symbol.asyncDispose]();
  });

  const run = (code: string, rest: object = {}) => call("execute_code", { code, ...rest });

  test("runs a script in the workspace and shows what it prints", async () => {
    expect(await run("import os, sys\nprint(os.getcwd())\nprint('err', file=sys.stderr)\nx = 1")).toEqual({
      ok: true,
      status: "success",
      output: `${(await context.sandbox()).workspace}\nerr\n`,
      tool_calls_made: 0,
      duration_seconds: expect.any(Number),
    });
    expect(await run("print(x)")).toMatchObject({ ok: false, error: expect.stringContaining("NameError") });
  });

  test("calls the rollout's other tools, as dicts, on the model's own shell", async () => {
    await call("terminal", { command: "mkdir -p inner; cd inner; export WORD=word" });
    const result = await run(`
from hermes_tools import terminal, read_file, write_file
import lachesis_tools
print(terminal(command="pwd; echo $WORD")["output"], end="")
print(write_file("note", "a\\nb\\u00e9\\n"))
print(read_file("note", limit=1)["content"], lachesis_tools.read_file(path="nope")["error"])
print(terminal("exit 3")["exit_code"], terminal(5)["error"][:17])
print(sorted(lachesis_tools.__all__))
`);
    expect(result).toMatchObject({ ok: true, status: "success", tool_calls_made: 6 });
    const names = tools
      .map(({ name }) => name)
      .filter((name) => !/^(execute_code|delegate_task)$/.test(name));
    expect(result.output).toBe(
      [
        `${(await context.sandbox()).workspace}/inner`,
        "word",
        "{'bytes_written': 6, 'dirs_created': False}",
        "     1|a There is no file nope.",
        "3 Invalid arguments",
        `[${names
          .sort()
          .map((name) => `'${name}'`)
          .join(", ")}]`,
        "",
      ].join("\n"),
    );
    await call("terminal", { command: "cd .." });
  });

  test.each<[string, string, RegExp]>([
    [
      "an exception",
      "def f():\n    return 1 / 0\nf()",
      /^Traceback[\s\S]*<code>", line 3[\s\S]*ZeroDivisionError: division by zero\n$/,
    ],
    ["a syntax error", "print('a'\n", /SyntaxError/],
    ["sys.exit with a code", "import sys; sys.exit(4)", /sys\.exit\(4\)/],
    ["an exit behind Python's back", "import os; os._exit(5)", /exit code 5/],
    ["a signal", "import os, signal; os.kill(os.getpid(), signal.SIGTERM)", /signal 15/],
    ["code that is no text", "x = '\ud800'", /surrogate|Unicode|encode|SyntaxError/],
  ])("tells of %s", async (_case, code, error) => {
    expect(await run(`print("before", flush=True)\n${code}`)).toMatchObject({
      ok: false,
      status: "error",
      error: expect.stringMatching(error),
    });
  });

  test.each<[string, string]>([
    ["sys.exit(0)", "import sys; print('done'); sys.exit(0)"],
    ["a child that forks and ends", "import os\nif os.fork() == 0: pass\nelse: os.wait(); print('done')"],
    [
      "threads that call tools at once",
      `
from concurrent.futures import ThreadPoolExecutor
from hermes_tools import terminal
with ThreadPoolExecutor(8) as pool:
    assert list(pool.map(lambda n: terminal(f"echo {n}")["output"], range(20))) == [f"{n}\\n" for n in range(20)]
print('done')`,
    ],
    ["an exit handler", "import atexit; atexit.register(lambda: print('done'))"],
    [
      "an odd class for stdout",
      "import sys, io; sys.stdout = io.StringIO(); sys.__stdout__; import os; os.write(1, b'done\\n')",
    ],
  ])("succeeds with %s", async (_case, code) => {
    expect(await run(code)).toMatchObject({ ok: true, status: "success", output: "done\n" });
  });

  test("is stopped at its limit, in a tool's call too, with what it printed", async () => {
    const code = "print('started', flush=True)\nimport subprocess; subprocess.run(['sleep', '98701'])";
    expect(await run(code, { timeout: 1 })).toMatchObject({
      ok: false,
      status: "timeout",
      output: "started\n",
      error: expect.stringContaining("limit of 1 s"),
    });
    expect(isRunning("sleep 98701")).toBe(false);
    const waiting = "from hermes_tools import slow\nprint('started', flush=True)\nslow()";
    expect(await run(waiting, { timeout: 1 })).toMatchObject({ status: "timeout", output: "started\n" });
  });

  test("leaves no process behind", async () => {
    expect(
      await run("import subprocess; subprocess.Popen(['setsid', 'sleep', '98702']); print('done')"),
    ).toMatchObject({ status: "success" });
    expect(isRunning("sleep 98702")).toBe(false);
  });

  test("makes 50 calls at most", async () => {
    const code = `
from hermes_tools import todo
answers = [todo() for _ in range(53)]
print([("error" in answer) for answer in answers].index(True), answers[-1]["error"])`;
    expect(await run(code)).toMatchObject({
      status: "success",
      output: "50 The code has made 50 tool calls, and may make no more.\n",
      tool_calls_made: 50,
    });
  });

  test("cuts long output in the middle, and floods too", async () => {
    const { output } = await run("print('start'); print('x' * 5_000_000); print('end')");
    expect(String(output)).toMatch(
      /^start\nx+\n\n\.\.\. \[OUTPUT TRUNCATED: \d+ of 5000011 characters left out\] \.\.\.\n\nx+\nend\n$/,
    );
    expect(String(output).length).toBeLessThan(50_200);
  });

  /** Finds the private descriptor as hostile code would: it is the only pipe beyond stdio to write to. */
  const hostile = (payload: string) => `
import os, time
for fd in range(3, 20):
    try:
        os.write(fd, ${payload})
    except OSError:
        pass
time.sleep(30)`;

  test.each<[string, string]>([
    ["garbage", "b'garbage garbage'"],
    ["a header and no JSON", "b'00000004\\nnope'"],
    ["JSON that is no frame", "b'00000012\\n{\"tool\": 1  }'"],
    ["a frame of another shape", 'b\'00000015\\n{"end":"x","a":1}\'[:24]'],
    ["a frame that claims 99 MB", "b'99999999\\n{'"],
    ["nesting without end", "b'00050000\\n' + b'[' * 50000"],
    ["two calls at once", 'b\'00000028\\n{"tool": "slow", "args": {} }\' * 2'],
    ["an end and then a call", 'b\'00000012\\n{"end":null}00000028\\n{"tool": "todo", "args": {} }\''],
    ["a negative size", "b'-0000004\\n{}{}'"],
    ["NUL", "b'\\0' * 100"],
  ])("ends, and nothing else does, where the code forges %s", async (_case, payload) => {
    expect(await run(hostile(payload))).toMatchObject({
      ok: false,
      status: "error",
      error: expect.stringContaining("channel of its tools"),
    });
    expect(await run("print('alive')")).toMatchObject({ ok: true, output: "alive\n" });
  });

  test.each(["execute_code", "delegate_task", "nope", "__proto__", "constructor"])(
    "a forged call of %s is refused",
    async (name) => {
      const frame = JSON.stringify({ tool: name, args: {} });
      const size = String(frame.length).padStart(8, "0");
      const code = `
import os, time
for fd in range(3, 20):
    try: os.write(fd, b'${size}\\n${frame}')
    except OSError: pass
time.sleep(0.5)
for fd in range(3, 20):
    try: print(os.read(fd, 1000)); break
    except OSError: pass`;
      const { output } = await run(code);
      expect(String(output)).toMatch(/The code can\\?'t call/);
    },
  );

  test("a tool's own machinery that fails, fails the call", async () => {
    await expect(run("from hermes_tools import broken; broken()")).rejects.toMatchObject({
      code: "SANDBOX_DIED",
    });
  });

  test("is called off with the rollout, and leaves nothing running", async () => {
    const cancel = new AbortController();
    await using cancelled = rolloutContext(backend, { signal: cancel.signal, tools });
    const running = toolCaller(cancelled)("execute_code", {
      code: "open('up', 'w'); import subprocess; subprocess.run(['sleep', '98703'])",
    });
    const check = async () =>
      (await cancelled.sandbox()).readFile("up", { signal: AbortSignal.timeout(10_000) });
    await expect
      .poll(
        () =>
          check().then(
            () => true,
            () => false,
          ),
        { timeout: 20_000 },
      )
      .toBe(true);
    cancel.abort(new Error("enough"));
    await expect(running).rejects.toThrow("enough");
    await cancelled[Symbol.asyncDispose]();
    expect(isRunning("sleep 98703")).toBe(false);
  });
});
