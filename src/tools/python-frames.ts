/**
 * The wire between host and Python driver. Request: a line of 59 bytes `id milliseconds size` and the code.
 * Reply: a line of 53 bytes `id status value-size error-size`, the value and the error text. The reply side is
 * untrusted, for user code can write to it: whatever does not fit throws, and the reader's owner kills.
 */

/** R = ready, S = success, E = the code raised, T = interrupted at the time limit. */
export type ReplyStatus = "R" | "S" | "E" | "T";
export type Reply = { id: string; status: ReplyStatus; value: string; error: string };

const headerBytes = 53;
const headerPattern = /^([0-9a-f]{32}) ([RSET]) (\d{8}) (\d{8})\n$/;
/** A reply's value and error together. */
const payloadLimitBytes = 8 * 1024 * 1024;

/** The id of the reply that says that the driver is up. */
export const readyId = "0".repeat(32);

export function encodeRequest(id: string, timeoutMs: number, code: string): Buffer {
  const source = Buffer.from(code, "utf8");
  const milliseconds = String(Math.ceil(timeoutMs)).padStart(12, "0");
  return Buffer.concat([
    Buffer.from(`${id} ${milliseconds} ${String(source.length).padStart(12, "0")}\n`),
    source,
  ]);
}

/** What ends a call's output in the output stream. */
export function endOfOutput(id: string): Buffer {
  return Buffer.from(`\0${id}\0`, "latin1");
}

/** Cuts the reply stream into replies. */
export class ReplyReader {
  #chunks: Buffer[] = [];
  #bytes = 0;
  #neededBytes = headerBytes;

  /** The replies that `chunk` completes; throws on anything the driver cannot have meant. */
  *read(chunk: Buffer): Generator<Reply> {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    while (this.#bytes >= this.#neededBytes) {
      const buffered = Buffer.concat(this.#chunks);
      const header = parseHeader(buffered.subarray(0, headerBytes));
      const end = headerBytes + header.valueBytes + header.errorBytes;
      if (this.#bytes >= end) {
        const value = buffered.toString("utf8", headerBytes, headerBytes + header.valueBytes);
        const error = buffered.toString("utf8", headerBytes + header.valueBytes, end);
        this.#restart(buffered.subarray(end));
        yield { id: header.id, status: header.status, value, error };
      } else {
        this.#chunks = [buffered];
        this.#neededBytes = end;
      }
    }
  }

  #restart(rest: Buffer): void {
    this.#chunks = [rest];
    this.#bytes = rest.length;
    this.#neededBytes = headerBytes;
  }
}

function parseHeader(bytes: Buffer) {
  const match = headerPattern.exec(bytes.toString("latin1"));
  const [, id, status, valueSize, errorSize] = match ?? [];
  if (id === undefined || !isStatus(status)) throw new Error("a reply that does not start with a header");
  const valueBytes = Number(valueSize);
  const errorBytes = Number(errorSize);
  if (valueBytes + errorBytes > payloadLimitBytes) throw new Error("a reply beyond 8 MiB");
  return { id, status, valueBytes, errorBytes };
}

function isStatus(text: string | undefined): text is ReplyStatus {
  return text === "R" || text === "S" || text === "E" || text === "T";
}
