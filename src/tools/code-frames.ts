/** The wire between host and the driver of `execute_code`: see `code-driver.ts`. What comes in is not trusted. */
import { z } from "zod";

const headerBytes = 9;
const largestFrameBytes = 8_388_608;

const frame = z.union([
  z.strictObject({ tool: z.string().max(64), args: z.record(z.string(), z.unknown()) }),
  z.strictObject({ end: z.string().nullable() }),
]);
/** A tool call, or the end of the code: null, or what it raised. */
export type CodeFrame = z.output<typeof frame>;

export function encodeFrame(value: object): Buffer {
  const payload = Buffer.from(JSON.stringify(value), "utf8");
  return Buffer.concat([Buffer.from(`${String(payload.length).padStart(headerBytes - 1, "0")}\n`), payload]);
}

/** Cuts the stream into frames. */
export class CodeFrameReader {
  #chunks: Buffer[] = [];
  #bytes = 0;
  #neededBytes = headerBytes;

  /** The frames that `chunk` completes; throws on anything that is none. */
  *read(chunk: Buffer): Generator<CodeFrame> {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    while (this.#bytes >= this.#neededBytes) {
      const buffered = Buffer.concat(this.#chunks);
      this.#chunks = [buffered];
      const header = /^(\d{8})\n$/.exec(buffered.toString("latin1", 0, headerBytes));
      if (header === null) throw new Error("no frame starts like this");
      const end = headerBytes + Number(header[1]);
      if (end > largestFrameBytes) throw new Error("a frame beyond 8 MiB");
      this.#neededBytes = end;
      if (this.#bytes < end) return;
      const rest = buffered.subarray(end);
      this.#chunks = [rest];
      this.#bytes = rest.length;
      this.#neededBytes = headerBytes;
      yield frame.parse(JSON.parse(buffered.toString("utf8", headerBytes, end)));
    }
  }
}
