/** What goes to an intake thread and comes back. Bytes move, they are not copied; on the way they lose being Buffers. */
import type { ReaderOptions, Submission, SubmissionReading } from "./submission-reader.ts";

export type IntakeSettings = ReaderOptions & {
  /** Be quick from the first submission on (warm-up.ts). */
  isWarm: boolean;
};

export type IntakeRequest = Omit<Submission, "chunks"> & { chunks: readonly Uint8Array[] };

/** The same memory as a Buffer. */
export function ownBytes({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}

/** The memory of a reading's groups, to be moved with it. */
export function bodyBuffers(reading: SubmissionReading): ArrayBuffer[] {
  if (!reading.ok) return [];
  return reading.model.flatMap(({ body }) => (movable(body) ? [body.buffer] : []));
}

/** True for memory that nobody else has a part of. */
export function movable(bytes: Uint8Array): bytes is Uint8Array<ArrayBuffer> {
  // A body in a shared pool is small, and is copied.
  return bytes.buffer instanceof ArrayBuffer && bytes.byteLength * 2 > bytes.buffer.byteLength;
}

/** A reading as it came from a thread, made whole. */
export function receivedReading(reading: SubmissionReading): SubmissionReading {
  if (!reading.ok) {
    return { ok: false, answer: { ...reading.answer, body: ownBytes(reading.answer.body) } };
  }
  return { ok: true, model: reading.model.map((group) => ({ ...group, body: ownBytes(group.body) })) };
}
