import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import type { Notice } from "../../../backends/backend-context.ts";
import { ImageCache } from "../../../backends/singularity/image-cache.ts";
import { FakeApptainer } from "../../support/fake-apptainer.ts";
import { eventually, findByCommand } from "../../support/host-processes.ts";
import { neverAborted as signal } from "../../support/sandbox-contract-context.ts";

const source = "docker://python:3.12-slim";
const script = fileURLToPath(new URL("../../support/apptainer/convert-image.ts", import.meta.url));

function openCache(fake: FakeApptainer, more: Partial<{ timeoutMs: number; closing: AbortSignal }> = {}) {
  const notices: Notice[] = [];
  const cache = new ImageCache({
    program: fake.program,
    directory: fake.cache,
    timeoutMs: 60_000,
    closing: signal,
    onNotice: (notice) => notices.push(notice),
    ...more,
  });
  return { cache, notices };
}

function otherProcess(fake: FakeApptainer): { child: ChildProcess; answer: Promise<string> } {
  const child = spawn(process.execPath, [script, fake.program, fake.cache, source], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  return { child, answer: text(child.stdout ?? []) };
}

/** Processes' attempts at a conversion, at work or waiting for the lock. */
const attempts = (fake: FakeApptainer) =>
  findByCommand(`${fake.cache}/`).filter(({ command }) => command.startsWith("sh -c")).length;
const images = (fake: FakeApptainer) => fake.listCache().filter((name) => name.endsWith(".sif"));

test("a source is converted once, with a word about it, whoever asks and however often", async () => {
  await using fake = await FakeApptainer.make();
  const { cache, notices } = openCache(fake);
  const paths = await Promise.all(
    [source, "python:3.12-slim", source].map((image) => cache.open(image, signal)),
  );
  expect(new Set(paths).size).toBe(1);
  expect(readFileSync(paths[0] ?? "", "utf8")).toBe(`fake-sif ${source}\n`);
  expect(await openCache(fake).cache.open(source, signal)).toBe(paths[0]);
  expect(fake.builds).toEqual([source]);
  expect(notices).toEqual([{ level: "info", message: expect.stringContaining(source) }]);
});

test("different sources are different files, however alike their names", async () => {
  await using fake = await FakeApptainer.make();
  const { cache } = openCache(fake);
  const sources = ["docker://a/b:1", "docker://a-b:1", "docker://a/b-1", "library://a/b:1"];
  const paths = await Promise.all(sources.map((image) => cache.open(image, signal)));
  expect(new Set(paths).size).toBe(sources.length);
});

test("files and directories are taken as they are; a missing one is told", async () => {
  await using fake = await FakeApptainer.make();
  const { cache } = openCache(fake);
  const file = join(fake.base, "own.sif");
  const directory = join(fake.base, "unpacked");
  writeFileSync(file, "");
  mkdirSync(directory);
  expect(await cache.open(file, signal)).toBe(file);
  expect(await cache.open(directory, signal)).toBe(directory);
  await expect(cache.open(join(fake.base, "none.sif"), signal)).rejects.toMatchObject({
    code: "SANDBOX_IMAGE_UNAVAILABLE",
    message: expect.stringContaining("none.sif"),
  });
  expect(fake.builds).toEqual([]);
});

test("two processes convert an image once: one works, the other waits for it", async () => {
  await using fake = await FakeApptainer.make();
  fake.holdBuilds(true);
  const processes = [otherProcess(fake), otherProcess(fake)];
  await eventually(() => fake.builds.length > 0 && attempts(fake) === 2, "one converts and one waits");
  expect(images(fake)).toEqual([]);
  fake.holdBuilds(false);
  const [one, two] = await Promise.all(processes.map(({ answer }) => answer));
  expect(one).toBe(two);
  expect(readFileSync(one ?? "", "utf8")).toBe(`fake-sif ${source}\n`);
  expect(fake.builds).toEqual([source]);
});

test("a conversion that was killed half-way is taken over, and what it left is removed", async () => {
  await using fake = await FakeApptainer.make();
  fake.holdBuilds(true);
  const doomed = otherProcess(fake);
  await eventually(() => fake.listCache().some((name) => name.includes(".partial.")), "half of it is there");
  const { cache } = openCache(fake);
  const waiting = cache.open(source, signal);
  doomed.child.kill("SIGKILL");
  await eventually(() => attempts(fake) === 2, "both are there");
  // What it started goes on without it, and holds the lock; now that is killed too.
  fake.killLastBuild();
  await eventually(() => fake.builds.length === 2, "the conversion is begun anew");
  fake.holdBuilds(false);
  const path = await waiting;
  expect(readFileSync(path, "utf8")).toBe(`fake-sif ${source}\n`);
  expect(fake.listCache()).toEqual([basename(path), `${basename(path)}.lock`]);
});

test("a failure has the program's words, leaves nothing half, and is tried again", async () => {
  await using fake = await FakeApptainer.make();
  const { cache } = openCache(fake);
  for (let round = 0; round < 2; round += 1) {
    await expect(cache.open("docker://no-such-image", signal)).rejects.toMatchObject({
      code: "SANDBOX_IMAGE_UNAVAILABLE",
      message: expect.stringContaining("manifest unknown"),
    });
  }
  expect(fake.listCache().filter((name) => !name.endsWith(".lock"))).toEqual([]);
});

test("one who no longer waits leaves the conversion to the others; closing ends it", async () => {
  await using fake = await FakeApptainer.make();
  fake.holdBuilds(true);
  const closing = new AbortController();
  const { cache } = openCache(fake, { closing: closing.signal });
  const impatient = new AbortController();
  const [gone, stays] = [cache.open(source, impatient.signal), cache.open(source, signal)];
  gone.catch(() => {});
  stays.catch(() => {});
  await eventually(() => fake.builds.length === 1, "the conversion has begun");
  impatient.abort(new Error("no longer wanted"));
  await expect(gone).rejects.toThrow("no longer wanted");
  expect(findByCommand(`${fake.program} build`)).not.toEqual([]);
  closing.abort(new Error("closed"));
  await expect(stays).rejects.toThrow("closed");
  await cache.settled();
  await eventually(() => findByCommand(`${fake.program} build`).length === 0, "the conversion is gone");
  expect(images(fake)).toEqual([]);
});

test("a conversion that takes too long is ended and told", async () => {
  await using fake = await FakeApptainer.make();
  fake.holdBuilds(true);
  const { cache } = openCache(fake, { timeoutMs: 300 });
  await expect(cache.open(source, signal)).rejects.toMatchObject({
    code: "SANDBOX_IMAGE_UNAVAILABLE",
    message: expect.stringContaining("0.3 s"),
  });
  expect(images(fake)).toEqual([]);
});
