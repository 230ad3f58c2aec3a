/** What model-written code does to its interpreter: the host must not crash, hang, or mix up answers. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { SandboxBackend } from "../../src/contracts/sandbox.ts";
import type { EnvRolloutContext } from "../../src/env/rollout-context.ts";
import {
  plainBackend,
  rolloutContext,
  toolCaller,
  walledBackend,
  walledBackendProblem,
} from "../support/rollout-context.ts";

const walledProblem = await walledBackendProblem();

/** Finds the private reply descriptor the way a curious model would. */
const forge = (frame: string) => `
import os, sys
for fd in range(3, 40):
    try:
        if fd != sys.stdin.fileno() and os.readlink('/proc/self/fd/%d' % fd) == reply_pipe: os.write(fd, ${frame})
    except OSError: pass
`;
const findReplyPipe = `
import gc, os
driver = [f for f in gc.get_objects() if getattr(f, '__qualname__', '') == 'serve.<locals>.reply'][0]
cells = dict(zip(driver.__code__.co_freevars, [c.cell_contents for c in driver.__closure__]))
reply_pipe = os.readlink('/proc/self/fd/%d' % cells['replies'])
`;

describe.each<[string, () => SandboxBackend, string | null]>([
  ["plain processes", plainBackend, null],
  ["bubblewrap", walledBackend, walledProblem],
])("python in %s", (_name, makeBackend, problem) => {
  if (problem !== null) {
    test.skip(`skipped: ${problem}`, () => {});
    return;
  }

  let backend: SandboxBackend;
  let context: EnvRolloutContext;
  let python: (code: string, rest?: object) => Promise<Record<string, unknown>>;

  beforeAll(() => {
    backend = makeBackend();
    context = rolloutContext(backend);
    python = (code, rest = {}) => toolCaller(context)("python", { code, ...rest });
  });

  afterAll(async () => {
    await context[Symbol.asyncDispose]();
    await backend[Symbol.asyncDispose]();
  });

  const works = async () => expect(await python("6 * 7")).toMatchObject({ status: "success", result: "42" });

  test.each<[string, string]>([
    ["builtins.len is replaced", "import builtins; builtins.len = lambda x: 'many'"],
    [
      "every builtin is gone",
      "import builtins\nd = vars(builtins)\nfor n in [*d]:\n  if n not in ('__import__', 'print'): del d[n]",
    ],
    [
      "json, os.write and signal are replaced",
      "import os, signal, json\nos.write = os.read = signal.signal = signal.setitimer = json.dumps = lambda *a, **k: 1/0",
    ],
    ["sys.stdout is replaced", "import sys, io; sys.stdout = io.StringIO(); sys.stderr = None"],
    ["sys.stdout is closed", "import sys; sys.stdout.close(); sys.stderr.close(); sys.stdin.close()"],
    [
      "sys.stdout flushes with an error",
      "import sys\nclass Bad:\n  def flush(self): raise ValueError\n  def write(self, t): pass\nsys.stdout = Bad()",
    ],
    ["descriptors 0, 1 and 2 are closed", "import os\nfor fd in range(3): os.close(fd)"],
    [
      "a trace function is left behind",
      "import sys\nsys.settrace(lambda frame, *a: 1/0 if frame.f_code.co_filename == '<repl>' else None)",
    ],
    [
      "the alarm is used by the code itself",
      "import signal, time\nsignal.signal(signal.SIGALRM, lambda *a: None); signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01); time.sleep(0.05)",
    ],
    ["sys.modules is emptied", "import sys\nfor n in list(sys.modules): del sys.modules[n]"],
    ["sys.path is emptied", "import sys; sys.path.clear()"],
    [
      "the excepthook and displayhook are broken",
      "import sys; sys.excepthook = sys.displayhook = lambda *a: 1/0",
    ],
    [
      "linecache and traceback are broken",
      "import linecache, traceback\nlinecache.cache = None; traceback.format_exception = None; traceback.TracebackException = None",
    ],
    ["junk is written to stdout", "import os\nos.write(1, b'\\0' * 100 + bytes(range(256)) * 40)"],
    [
      "a str subclass lies about itself",
      "class Lie(str):\n  def encode(self, *a): return b'junk'\n  def __len__(self): return -5\nclass R:\n  def __repr__(self): return Lie('lie')\nR()",
    ],
  ])("goes on after %s", async (_case, code) => {
    expect((await python(code)).status).not.toBe("lost");
    const answer = await python("print('heard')\n6 * 7");
    expect(answer).toMatchObject({ status: "success", output: "heard\n", result: "42" });
    expect(await python("1/0")).toMatchObject({
      status: "error",
      error: expect.stringContaining("ZeroDivisionError"),
    });
    await python("import os; os._exit(0)");
  });

  test.each<[string, string, string]>([
    ["os._exit", "import os; os._exit(0)", "ended with exit code 0"],
    ["a signal to itself", "import os; os.kill(os.getpid(), 9)", "killed (signal 9)"],
    ["a crash of the interpreter", "import ctypes; ctypes.string_at(0)", "killed by signal 11"],
    ["closing every descriptor", "import os; os.closerange(0, 4096)", "closed the session's control channel"],
    [
      "a forged reply",
      `${findReplyPipe}${forge("b'0' * 32 + b' S 00000001 00000000\\n1'")}`,
      "wrote into the session's control channel",
    ],
    [
      "junk in the reply channel",
      `${findReplyPipe}${forge("b'junk ' * 20")}`,
      "wrote into the session's control channel",
    ],
    [
      "a reply beyond every limit",
      `${findReplyPipe}${forge("b'a' * 32 + b' S 99999999 00000000\\n'")}`,
      "wrote into the session's control channel",
    ],
  ])("says that the session is lost after %s, and starts another", async (_case, code, reason) => {
    const result = await python(`print('last words')\n${code}\nimport time; time.sleep(30)`);
    expect(result).toMatchObject({ ok: false, status: "lost", output: "last words\n" });
    expect(result.error).toContain(reason);
    expect(result.error).toContain("All variables are lost");
    await works();
  });

  test("notices a reply written between calls", async () => {
    const thread = `${findReplyPipe}
import threading, time
def later():
    time.sleep(0.1)
    ${forge("b'f' * 200").trim().replaceAll("\n", "\n    ")}
threading.Thread(target=later, daemon=True).start()`;
    const { result: pid } = await python(`${thread}\nos.getpid()`);
    // Asked of the shell, not of Python: no call may be under way when the reply comes.
    const isGone = async () =>
      (await toolCaller(context)("terminal", { command: `kill -0 ${pid}` })).exit_code !== 0;
    await expect.poll(isGone, { timeout: 10_000 }).toBe(true);
    expect(await python("1")).toMatchObject({ note: expect.stringContaining("lost in the meantime") });
    await works();
  });

  test("lets a forked child end where its code ends", async () => {
    const code =
      "import os\npid = os.fork()\nif pid == 0: print('child')\nelse: os.waitpid(pid, 0); print('parent')\n1";
    expect(await python(code)).toMatchObject({ status: "success", output: "child\nparent\n", result: "1" });
    const failing = "import os\npid = os.fork()\nif pid == 0: 1/0\nos.waitpid(pid, 0)[1] >> 8";
    expect(await python(failing)).toMatchObject({
      status: "success",
      output: expect.stringContaining("ZeroDivisionError"),
      result: "1",
    });
    await works();
  });

  test("runs worker pools", async () => {
    const code =
      "from multiprocessing import Pool\ndef square(x): return x * x\nwith Pool(2) as pool: r = pool.map(square, range(5))\nr";
    expect(await python(code)).toMatchObject({ result: "[0, 1, 4, 9, 16]" });
  });

  test("gives what a thread prints after its call to the next call", async () => {
    await python(
      "import threading, time\nt = threading.Timer(0.05, print, ['late'])\nt.start()\nprint('first')",
    );
    expect(await python("t.join(); print('second')")).toMatchObject({ output: "late\nsecond\n" });
  });

  test("does not wait for a process that keeps the output open", async () => {
    expect(await python("import subprocess\nsubprocess.Popen(['sleep', '60'])\nprint('on')")).toMatchObject({
      status: "success",
      output: "on\n",
    });
    await works();
  });

  test("survives a flood of output that never ends", async () => {
    const result = await python("print('first')\nwhile True: print('flood ' * 1000)", { timeout: 1 });
    expect(result).toMatchObject({
      status: "timeout",
      output: expect.stringMatching(/^first\nflood[\s\S]*OUTPUT TRUNCATED/),
    });
    await works();
  });

  test("reports running out of memory", async () => {
    expect(await python("data = bytearray(20 * 2**30)")).toMatchObject({
      error: expect.stringContaining("MemoryError"),
    });
    await works();
  });

  test("mixes up no answers over many calls with output", async () => {
    for (let n = 0; n < 100; n++) {
      expect(await python(`print('${"o".repeat(n)}')\n${n}`)).toEqual({
        ok: true,
        status: "success",
        output: `${"o".repeat(n)}\n`,
        result: String(n),
      });
    }
  });
});
