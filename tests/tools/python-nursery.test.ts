/** Sessions forked of one warm interpreter: to the code in them nothing is different from an interpreter of its own. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { SandboxBackend } from "../../src/contracts/sandbox.ts";
import { PythonNursery } from "../../src/tools/python-nursery.ts";
import { PythonSession } from "../../src/tools/python-session.ts";
import { countingBackend, type SandboxCount } from "../support/env-services.ts";
import { plainBackend } from "../support/rollout-context.ts";

const { signal } = new AbortController();
const options = { timeoutMs: 20_000, signal };

let backend: SandboxBackend;
const sandboxes: SandboxCount = { opened: 0, closed: 0 };
beforeAll(() => {
  backend = countingBackend(plainBackend(), sandboxes);
});
afterAll(() => backend[Symbol.asyncDispose]());

describe("sessions of a nursery", () => {
  let nursery: PythonNursery;
  beforeAll(() => {
    nursery = new PythonNursery(backend);
  });
  afterAll(() => nursery[Symbol.asyncDispose]());
  const session = (name = "r") => new PythonSession(nursery.home(name));

  test("keep variables between calls, and show values, output and tracebacks as ever", async () => {
    await using python = session();
    expect(await python.run("x = 6\nprint('hi')", options)).toMatchObject({ output: "hi\n", value: null });
    expect(await python.run("x * 7", options)).toMatchObject({ status: "success", value: "42" });
    const failed = await python.run("1/0", options);
    expect(failed).toMatchObject({ status: "error", error: expect.stringMatching(/cell 3.*ZeroDivision/s) });
    expect(failed.error).not.toContain("nursery");
  });

  test("share no variables, modules or files, and leave no files", async () => {
    await using one = session("one");
    const code = "import math; math.pi = 3; y = 1; open('note', 'w').write('x'); import os; os.getcwd()";
    const place = (await one.run(code, options)).value ?? "";
    await using other = session("other");
    const seen = await other.run(
      "import math, os; ('y' in globals(), math.pi == 3, os.listdir('.'))",
      options,
    );
    expect(seen.value).toBe("(False, False, [])");
    expect((await other.run(`os.path.exists(${place})`, options)).value).toBe("True");
    await one[Symbol.asyncDispose]();
    expect((await other.run(`os.path.exists(${place})`, options)).value).toBe("False");
  });

  test("run beside each other by the hundred out of one sandbox", async () => {
    const before = sandboxes.opened;
    const values = await Promise.all(
      Array.from({ length: 100 }, async (_, index) => {
        await using python = session(`many-${index}`);
        await python.run(`n = ${index}`, options);
        return (await python.run("n * n", options)).value;
      }),
    );
    expect(values).toEqual(Array.from({ length: 100 }, (_, index) => String(index * index)));
    expect(sandboxes.opened).toBe(before);
  });

  test("are stopped at their limit and begin afresh when their process has ended", async () => {
    await using python = session();
    await python.run("x = 1", options);
    expect(await python.run("while True: pass", { timeoutMs: 300, signal })).toMatchObject({
      status: "timeout",
    });
    expect(await python.run("x", options)).toMatchObject({ value: "1" });
    const lost = await python.run("import os; os._exit(3)", options);
    expect(lost).toMatchObject({ status: "lost", error: expect.stringContaining("exit code 3") });
    expect(await python.run("'x' in globals()", options)).toMatchObject({ value: "False" });
  });

  test("take their subprocesses with them", async () => {
    await using python = session("parent");
    const code = "import subprocess; p = subprocess.Popen(['sleep', '1000']); p.pid";
    const pid = (await python.run(code, options)).value;
    await python[Symbol.asyncDispose]();
    await using other = session("other");
    const look = `import time
for _ in range(200):
    try:
        state = open('/proc/${pid}/stat').read().split()[2]
    except OSError:
        state = 'gone'
    if state in ('gone', 'Z'): break
    time.sleep(0.02)
state`;
    expect((await other.run(look, options)).value).toMatch(/gone|Z/);
  });

  test("carry more than a pipe holds, both ways", async () => {
    await using python = session();
    const text = "x".repeat(300_000);
    expect(await python.run(`len("${text}")`, options)).toMatchObject({ value: "300000" });
    const { output } = await python.run("print('y' * 40_000)", options);
    expect(output).toBe(`${"y".repeat(40_000)}\n`);
  });

  test("lose their process but not the run when one of them kills the interpreter that forked them", async () => {
    await using python = session();
    const killed = await python.run(
      "import os; os.kill(os.getppid(), 9); import time; time.sleep(30)",
      options,
    );
    expect(killed).toMatchObject({ status: "lost" });
    expect(await python.run("1 + 1", options)).toMatchObject({ value: "2" });
  });
});

test("a closed nursery gives its sandbox back and starts nothing more", async () => {
  const nursery = new PythonNursery(backend);
  const python = new PythonSession(nursery.home("r"));
  expect((await python.run("2", options)).value).toBe("2");
  await nursery[Symbol.asyncDispose]();
  expect(sandboxes.closed).toBe(sandboxes.opened);
  await expect(new PythonSession(nursery.home("s")).run("2", options)).rejects.toThrow();
});
