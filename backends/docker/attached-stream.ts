/**
 * A container's stdin and stdout as one stream. Docker interleaves stdout and stderr on one connection, each piece
 * behind a header of 8 bytes (stream, three zeros, length); stderr is kept, shortened, as the container's complaint.
 */
import { Duplex } from "node:stream";
import { CappedOutput } from "../../src/tools/capped-output.ts";

const headerBytes = 8;
const standardOutput = 1;
const complaintLimitBytes = 4_096;

/** Owns the connection: destroying the one destroys the other. */
export class AttachedStream extends Duplex {
  readonly #connection: Duplex;
  readonly #complaint = new CappedOutput(complaintLimitBytes);
  #header = Buffer.alloc(0);
  #isOutput = false;
  /** What is still to come of the present piece. */
  #pieceBytes = 0;

  constructor(connection: Duplex) {
    super({ allowHalfOpen: true });
    this.#connection = connection;
    // A daemon that goes away before anybody listens must not end the host; whoever listens later sees it destroyed.
    this.on("error", () => {});
    connection.on("data", (chunk: Buffer) => this.#take(chunk));
    connection.on("end", () => this.push(null));
    connection.on("close", () => this.push(null));
    connection.on("error", (error) => this.destroy(error));
  }

  /** What the container wrote to stderr, shortened. */
  get complaint(): string {
    return this.#complaint.bytes().toString().trim();
  }

  override _read(): void {
    this.#connection.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    if (this.#connection.writable) this.#connection.write(chunk, () => done());
    else done();
  }

  override _final(done: () => void): void {
    this.#connection.end();
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#connection.destroy();
    done(error);
  }

  #take(chunk: Buffer): void {
    let rest = chunk;
    while (rest.length > 0) {
      if (this.#pieceBytes === 0) {
        rest = this.#takeHeader(rest);
        continue;
      }
      const piece = rest.subarray(0, this.#pieceBytes);
      rest = rest.subarray(piece.length);
      this.#pieceBytes -= piece.length;
      if (!this.#isOutput) this.#complaint.write(piece);
      else if (!this.push(piece)) this.#connection.pause();
    }
  }

  #takeHeader(chunk: Buffer): Buffer {
    const header = Buffer.concat([this.#header, chunk.subarray(0, headerBytes - this.#header.length)]);
    const rest = chunk.subarray(headerBytes - this.#header.length);
    this.#header = header.length < headerBytes ? header : Buffer.alloc(0);
    if (header.length === headerBytes) {
      this.#isOutput = header.readUInt8(0) === standardOutput;
      this.#pieceBytes = header.readUInt32BE(4);
    }
    return rest;
  }
}
