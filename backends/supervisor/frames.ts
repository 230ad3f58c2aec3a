/**
 * The frames between host and supervisor: type (1 byte), job id (4), payload length (4, both big-endian),
 * payload. What comes from the sandbox is untrusted: a frame of unknown type or beyond the size limit throws,
 * and the sandbox that sent it is killed.
 */

/** Host to supervisor. STDIN with an empty payload ends the input; CREDIT lets so many more bytes out. */
export const hostFrame = { start: 1, stdin: 2, credit: 3, kill: 4 } as const;

/**
 * Supervisor to host. An empty STDOUT or STDERR ends the stream; EXIT tells that the main process has ended,
 * GONE that its whole tree has. Each job gets all four, in no fixed order.
 */
export const sandboxFrame = { ready: 16, stdout: 17, stderr: 18, taken: 19, exit: 20, gone: 21 } as const;

export type Frame = { type: number; jobId: number; payload: Buffer };

const headerBytes = 9;
/** The supervisor reads at most 64 KiB at a time; nothing it sends is longer. */
const payloadLimitBytes = 65_536;

export function encodeFrame(type: number, jobId: number, payload: Uint8Array = Buffer.alloc(0)): Buffer {
  const frame = Buffer.allocUnsafe(headerBytes + payload.length);
  frame.writeUInt8(type, 0);
  frame.writeUInt32BE(jobId, 1);
  frame.writeUInt32BE(payload.length, 5);
  frame.set(payload, headerBytes);
  return frame;
}

/** The bytes preceded by their count. */
export function encodeBytes(bytes: Uint8Array): Buffer {
  const encoded = Buffer.allocUnsafe(4 + bytes.length);
  encoded.writeUInt32BE(bytes.length, 0);
  encoded.set(bytes, 4);
  return encoded;
}

/** Each string preceded by its length in bytes. */
export function encodeStrings(strings: readonly string[]): Buffer {
  return Buffer.concat(strings.map((text) => encodeBytes(Buffer.from(text))));
}

/** Cuts a byte stream into frames; throws at the first one that cannot have come from our supervisor. */
export class FrameDecoder {
  #chunks: Buffer[] = [];
  #bufferedBytes = 0;
  #neededBytes = headerBytes;

  *decode(chunk: Buffer): Generator<Frame> {
    this.#chunks.push(chunk);
    this.#bufferedBytes += chunk.length;
    if (this.#bufferedBytes < this.#neededBytes) return;

    const buffer = this.#chunks.length === 1 ? chunk : Buffer.concat(this.#chunks);
    let offset = 0;
    this.#neededBytes = headerBytes;
    while (buffer.length - offset >= headerBytes) {
      const payloadBytes = buffer.readUInt32BE(offset + 5);
      if (payloadBytes > payloadLimitBytes) throw new Error(`a frame of ${payloadBytes} bytes`);
      const end = offset + headerBytes + payloadBytes;
      if (end > buffer.length) {
        this.#neededBytes = end - offset;
        break;
      }
      yield {
        type: buffer.readUInt8(offset),
        jobId: buffer.readUInt32BE(offset + 1),
        payload: buffer.subarray(offset + headerBytes, end),
      };
      offset = end;
    }
    this.#chunks = offset === buffer.length ? [] : [buffer.subarray(offset)];
    this.#bufferedBytes = buffer.length - offset;
  }
}
