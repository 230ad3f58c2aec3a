/** Gunzips request bodies within a limit: at once, or on zlib's own threads. */
import { promisify } from "node:util";
import { constants, gunzip, gunzipSync } from "node:zlib";
import { type Answer, detailAnswer, textAnswer } from "./answer.ts";

export type Inflated = { ok: true; bytes: Buffer } | { ok: false; answer: Answer };

/** No deflate stream grows by more than this. */
const MOST_DEFLATE_RATIO = 1032;
const GZIP_OVERHEAD_BYTES = 18;

const gunzipLater = promisify(gunzip);

/** On another thread. */
export async function inflate(zipped: Buffer, maxBytes: number): Promise<Inflated> {
  if (claimsTooMuch(zipped, maxBytes)) return { ok: false, answer: tooLarge(maxBytes) };
  try {
    return { ok: true, bytes: await gunzipLater(zipped, optionsFor(zipped, maxBytes)) };
  } catch (error) {
    return { ok: false, answer: failureAnswer(error, maxBytes) };
  }
}

/** On this thread, which it blocks. */
export function inflateNow(zipped: Buffer, maxBytes: number): Inflated {
  if (claimsTooMuch(zipped, maxBytes)) return { ok: false, answer: tooLarge(maxBytes) };
  try {
    return { ok: true, bytes: gunzipSync(zipped, optionsFor(zipped, maxBytes)) };
  } catch (error) {
    return { ok: false, answer: failureAnswer(error, maxBytes) };
  }
}

/** The size that the stream says it has (its last four bytes); undefined where that can't be true. */
export function claimedBytes(zipped: Buffer): number | undefined {
  if (zipped.length < GZIP_OVERHEAD_BYTES) return undefined;
  const claimed = zipped.readUInt32LE(zipped.length - 4);
  return claimed <= zipped.length * MOST_DEFLATE_RATIO ? claimed : undefined;
}

function claimsTooMuch(zipped: Buffer, maxBytes: number): boolean {
  return (claimedBytes(zipped) ?? 0) > maxBytes;
}

/** Room for all of it: one job, and nothing to put together afterwards. */
function optionsFor(zipped: Buffer, maxBytes: number) {
  const chunkSize = Math.max(constants.Z_DEFAULT_CHUNK, (claimedBytes(zipped) ?? 0) + 1);
  return { maxOutputLength: maxBytes, chunkSize };
}

function failureAnswer(error: unknown, maxBytes: number): Answer {
  return error instanceof RangeError ? tooLarge(maxBytes) : textAnswer("Invalid gzip payload", 400);
}

function tooLarge(maxBytes: number): Answer {
  return detailAnswer(413, `Body larger than ${maxBytes} bytes when inflated`);
}
