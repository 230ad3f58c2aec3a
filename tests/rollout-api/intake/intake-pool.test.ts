/** Submissions read on threads come out as those read at once; giants and the dead harm nobody else. */
import { gzipSync } from "node:zlib";
import { afterAll, describe, expect, test } from "vitest";
import { IntakePool } from "../../../src/rollout-api/intake/intake-pool.ts";
import {
  type Submission,
  SubmissionReader,
  type SubmissionReading,
} from "../../../src/rollout-api/intake/submission-reader.ts";

const options = { strict: true, maxInflatedBytes: 64 * 1024 * 1024 };

function groupText(tokens: number, fields: object = {}): string {
  const row = Array.from({ length: tokens }, (_, index) => index * 37);
  return JSON.stringify({ tokens: [row], masks: [row], scores: [0.5], env_id: 3, ...fields });
}

/** As a socket gives it. */
function inPieces(bytes: Buffer): Buffer[] {
  const pieces: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += 65_536) pieces.push(Buffer.from(bytes.subarray(at, at + 65_536)));
  return pieces;
}

function submission(text: string, changes: Partial<Submission> = {}): Submission {
  const chunks = inPieces(Buffer.from(text));
  return { chunks, isZipped: false, isJson: true, isList: false, key: undefined, ...changes };
}

/** What is read, in a form that tests can compare. */
function described(reading: SubmissionReading): unknown {
  if (!reading.ok) return { ...reading.answer, body: reading.answer.body.toString() };
  return reading.model.map((group) => ({ ...group, body: group.body.toString() }));
}

function readNow(given: Submission): unknown {
  return described(
    new SubmissionReader(options).read({ ...given, chunks: given.chunks.map((chunk) => Buffer.from(chunk)) }),
  );
}

const SMALL = 10;
const LARGE = 20_000;

/** Each kind once below the size from which threads read, and once above. */
const submissions = [SMALL, LARGE].flatMap((tokens): [string, Submission][] => {
  const text = groupText(tokens);
  const list = `[${text},${text}]`;
  const broken = Buffer.concat([Buffer.from(text), Buffer.of(255)]);
  const cut = gzipSync(text).subarray(0, -9);
  return [
    [`a group of ${tokens} tokens`, submission(text)],
    ["a list", submission(list, { isList: true })],
    ["gzip", submission("", { chunks: inPieces(gzipSync(text)), isZipped: true })],
    ["a name of its own", submission(groupText(tokens, { group_id: "mine" }), { key: "the request's" })],
    ["a list under its request's name", submission(list, { isList: true, key: "name" })],
    ["numbers as texts", submission(groupText(tokens, { scores: ["0.5"] }))],
    ["masks that don't fit", submission(groupText(tokens, { masks: [[1]] }))],
    ["no JSON", submission(`${text}}`)],
    ["another content type", submission(text, { isJson: false })],
    ["bytes that are no UTF-8", submission("", { chunks: inPieces(broken) })],
    ["gzip that was cut", submission("", { chunks: inPieces(cut), isZipped: true })],
  ];
});

describe("is read as it would be at once", () => {
  const pool = new IntakePool({ ...options, startsAtOnce: true });
  afterAll(() => pool[Symbol.asyncDispose]());

  test.each(submissions)("%s", async (_what, given) => {
    const expected = readNow(given);
    expect(described(await pool.read(given))).toEqual(expected);
  });
});

test("many at once all come back as what they were", async () => {
  await using pool = new IntakePool(options);
  const sizes = Array.from({ length: 40 }, (_, index) => (index % 3 === 0 ? 5 : 4000 + index));
  const readings = await Promise.all(sizes.map((size) => pool.read(submission(groupText(size)))));
  const bodies = readings.map((reading) => (reading.ok ? reading.model[0]?.body.toString() : undefined));
  expect(bodies.map((body) => JSON.parse(body ?? "{}").tokens[0].length)).toEqual(sizes);
});

test("gzip that grows beyond the limit is refused", async () => {
  await using pool = new IntakePool({ ...options, maxInflatedBytes: 1000 });
  const chunks = inPieces(gzipSync(groupText(LARGE)));
  const reading = await pool.read(submission("", { chunks, isZipped: true }));
  expect(reading).toMatchObject({ ok: false, answer: { status: 413 } });
});

describe("a submission that its thread can't hold", () => {
  // Numbers that are texts are the careful reader's, which makes objects of them all.
  const giant = JSON.stringify({
    tokens: [Array.from({ length: 400_000 }, () => "1")],
    masks: [Array.from({ length: 400_000 }, () => "1")],
    scores: [1],
  });

  test("is refused; what came with it may be tried again, and what comes next is read", async () => {
    await using pool = new IntakePool({ ...options, threadMemoryMb: 16 });
    const others = Array.from({ length: 6 }, () => submission(groupText(LARGE)));
    const [refused, ...rest] = await Promise.allSettled(
      [submission(giant), ...others].map((given) => pool.read(given)),
    );
    expect(refused).toMatchObject({ value: { ok: false, answer: { status: 413 } } });
    for (const outcome of rest) {
      if (outcome.status === "rejected") expect(outcome.reason).toMatchObject({ retryable: true });
      else expect(outcome.value.ok).toBe(true);
    }
    expect(await pool.read(submission(groupText(LARGE)))).toMatchObject({ ok: true });
  });
});

test("closing waits for what is being read, and may be done twice", async () => {
  const pool = new IntakePool(options);
  const reading = pool.read(submission(groupText(LARGE)));
  await pool[Symbol.asyncDispose]();
  expect((await reading).ok).toBe(true);
  await pool[Symbol.asyncDispose]();
});
