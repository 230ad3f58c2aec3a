/** Attacks of code in the `python` tool on the channel through which the tool hears of it. */
import { expect } from "vitest";
import { rolloutContext, toolCaller } from "../rollout-context.ts";
import type { AbuseCase, AbuseChapter, AbusePlace } from "./abuse-case.ts";

/** Finds the descriptor that replies go through, the way a curious model would, and writes into it. */
const writeReply = (bytes: string) => `
import gc, os
reply = [f for f in gc.get_objects() if getattr(f, "__qualname__", "") == "serve.<locals>.reply"][0]
cells = dict(zip(reply.__code__.co_freevars, [cell.cell_contents for cell in reply.__closure__]))
os.write(cells["replies"], ${bytes})
`;

const lost = /wrote into the session's control channel/;

function session(attack: string, containedBy: string, code: string, expected: RegExp | undefined): AbuseCase {
  return {
    attack,
    containedBy,
    async attempt({ backend }: AbusePlace) {
      await using context = rolloutContext(backend);
      const python = async (text: string) => await toolCaller(context)("python", { code: text, timeout: 5 });
      const result = await python(code);
      if (expected !== undefined)
        expect(result).toMatchObject({ ok: false, error: expect.stringMatching(expected) });
      expect(await python("print('heard')\n6 * 7")).toMatchObject({ output: "heard\n", result: "42" });
      expect(await python("1/0")).toMatchObject({ status: "error" });
    },
  };
}

const wholeSession =
  "an unguessable id for each call; the first bad frame kills the session, and the model is told";

export const replAbuse: AbuseChapter = {
  title: "The Python session",
  cases: [
    session(
      "forged REPL frames: a reply of the code's own making",
      wholeSession,
      writeReply("b'0' * 32 + b' S 00000001 00000000\\n1'"),
      lost,
    ),
    session(
      "forged REPL frames: one that claims gigabytes",
      wholeSession,
      writeReply("b'a' * 32 + b' S 99999999 00000000\\n'"),
      lost,
    ),
    session(
      "junk on stdout and stderr",
      "output and replies are apart",
      "import os\nos.write(1, b'\\0' * 100 + bytes(range(256)) * 40)",
      undefined,
    ),
    session(
      "replacing what the driver is made of: len, os.write, json, signal",
      "the driver keeps what it needs before foreign code runs",
      "import builtins, os, signal, json\nbuiltins.len = lambda x: 'many'\nos.write = os.read = signal.signal = json.dumps = lambda *a, **k: 1/0",
      undefined,
    ),
  ],
};
