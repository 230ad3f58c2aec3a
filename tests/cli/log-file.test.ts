/** A log on a disk that fills up and gets space again. */
import { writeSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { LogFile } from "../../src/cli/log-file.ts";

async function temporaryDirectory() {
  const path = await mkdtemp(join(tmpdir(), "log-file-"));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true }) };
}

test("lines that can't be written are left out and counted, and one that was cut stays by itself", async () => {
  await using directory = await temporaryDirectory();
  const path = join(directory.path, "a.log");
  let space = Number.POSITIVE_INFINITY;
  const write = (file: number, bytes: Uint8Array) => {
    if (space === 0) throw new Error("ENOSPC");
    const written = writeSync(file, bytes, 0, Math.min(space, bytes.length));
    space -= written;
    return written;
  };
  const file = new LogFile(path, write as typeof writeSync);
  file.write('{"event":"first"}\n');
  space = 4;
  file.write('{"event":"cut"}\n');
  file.write('{"event":"lost"}\n');
  space = Number.POSITIVE_INFINITY;
  file.write('{"event":"again"}\n');
  file.write('{"event":"last"}\n');
  file[Symbol.dispose]();
  file.write('{"event":"too late"}\n');

  const [first, cut, leftOut, ...rest] = (await readFile(path, "utf8")).split("\n");
  expect([first, cut]).toEqual(['{"event":"first"}', '{"ev']);
  expect(JSON.parse(leftOut ?? "")).toMatchObject({ event: "log-lines-left-out", level: 40, lines: 2 });
  expect(rest).toEqual(['{"event":"again"}', '{"event":"last"}', ""]);
});
