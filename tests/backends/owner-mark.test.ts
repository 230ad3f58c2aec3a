import { spawn } from "node:child_process";
import { once } from "node:events";
import { expect, test } from "vitest";
import { ownerMark, ownerState } from "../../backends/owner-mark.ts";

test("this process is alive, and its mark fits into labels and file names", async () => {
  const mark = await ownerMark();
  expect(mark).toMatch(/^[0-9a-f.]{1,63}$/);
  expect(await ownerState(mark)).toBe("alive");
});

test("a process that has ended is dead, even where another has its pid now", async () => {
  const child = spawn("true");
  await once(child, "close");
  const parts = (await ownerMark()).split(".");
  expect(await ownerState([...parts.slice(0, 3), child.pid, "1"].join("."))).toBe("dead");
  expect(await ownerState([...parts.slice(0, 4), "1"].join("."))).toBe("dead");
});

test("one of an earlier boot of this machine is dead", async () => {
  const [host, , ...rest] = (await ownerMark()).split(".");
  expect(await ownerState([host, "0000000000", ...rest].join("."))).toBe("dead");
});

test.each([
  ["another machine's", 0],
  ["another container's", 2],
])("%s mark tells nothing here", async (_what, part) => {
  const parts = (await ownerMark()).split(".");
  parts[part] = "0000000000";
  expect(await ownerState(parts.join("."))).toBe("elsewhere");
});

test("what is no mark belongs to nobody here", async () => {
  expect(await ownerState("")).toBe("elsewhere");
});
