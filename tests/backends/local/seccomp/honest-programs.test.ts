/** What ordinary programs do goes on behind the filter. */
import { existsSync } from "node:fs";
import { afterAll, describe, expect, test } from "vitest";
import { createBackend } from "../../../../backends/index.ts";
import { bubblewrapSkipReason } from "../../../support/local-sandboxes.ts";

const signal = AbortSignal.timeout(110_000);
const title = `honest programs${bubblewrapSkipReason === undefined ? "" : ` (skipped: ${bubblewrapSkipReason})`}`;

describe.skipIf(bubblewrapSkipReason !== undefined)(title, () => {
  const backend = createBackend("local", {});
  afterAll(async () => {
    await backend[Symbol.asyncDispose]();
  });

  test.for<[string, string, string]>([
    [
      "python3",
      `python3 -I -S -c 'import threading, subprocess, socket
from concurrent.futures import ProcessPoolExecutor
threads = [threading.Thread(target=print, args=(n,), kwargs={"end": ""}) for n in (1, 2)]
for thread in threads: thread.start(); thread.join()
print(subprocess.run(["echo", "3"], capture_output=True, text=True).stdout, end="")
with ProcessPoolExecutor(2) as pool: print(sum(pool.map(abs, range(-3, 1))))
listener = socket.create_server(("127.0.0.1", 0))
near = socket.create_connection(listener.getsockname()); far, _ = listener.accept()
far.sendall(b"heard"); print(near.recv(5).decode())
print(socket.if_nameindex()[0][1])'`,
      "123\n6\nheard\nlo\n",
    ],
    [
      "node",
      `node -e 'new (require("node:worker_threads").Worker)("console.log(6 * 7)", { eval: true })'`,
      "42\n",
    ],
    [
      "git",
      "git init -q . && git -c user.name=a -c user.email=a@b commit -q --allow-empty -m x && git log --format=%s",
      "x\n",
    ],
    ["gcc", "echo 'int main() { return 7; }' > a.c && gcc -o a a.c && ./a; echo $?", "7\n"],
    ["perl", `perl -e 'my $pid = fork // die; if (!$pid) { exit 3 } wait; print $? >> 8, "\\n"'`, "3\n"],
    ["sort", "seq 200000 | sort --parallel=2 -rn | head -1", "200000\n"],
    ["strace", "strace -f -o /dev/null sh -c 'echo traced; true'", "traced\n"],
  ])("%s", async ([program, shell, stdout], context) => {
    context.skip(!existsSync(`/usr/bin/${program}`), `${program} is not installed`);
    await using sandbox = await backend.create({ rolloutId: "honest", signal });
    const result = await sandbox.exec({ shell }, { timeoutMs: 60_000, signal });
    expect([Buffer.from(result.stdout).toString(), result.exitCode]).toEqual([stdout, 0]);
  });
});
