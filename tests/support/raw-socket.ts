/** HTTP/1.1 by hand over one keep-alive connection: what goes over the wire is what the test wrote. */
import net from "node:net";

export type RawAnswer = { status: number; headers: Record<string, string>; body: Buffer };

export class RawSocket implements Disposable {
  readonly #socket: net.Socket;
  #received = Buffer.alloc(0);
  #wake: () => void = () => undefined;
  #ended = false;

  constructor(port: number) {
    this.#socket = net.connect(port, "127.0.0.1");
    this.#socket.on("data", (chunk) => {
      this.#received = Buffer.concat([this.#received, chunk]);
      this.#wake();
    });
    this.#socket.on("close", () => {
      this.#ended = true;
      this.#wake();
    });
    this.#socket.on("error", () => undefined);
  }

  /** Sends a head (lines without their ends) and a body, and reads the one answer to it. */
  async exchange(head: readonly string[], body: Buffer | string = ""): Promise<RawAnswer> {
    this.#socket.write(`${head.join("\r\n")}\r\n\r\n`);
    this.#socket.write(body);
    return this.#readAnswer();
  }

  async #readAnswer(): Promise<RawAnswer> {
    const headEnd = await this.#waitFor(() => {
      const at = this.#received.indexOf("\r\n\r\n");
      return at === -1 ? undefined : at;
    });
    const [statusLine = "", ...lines] = this.#received.subarray(0, headEnd).toString("latin1").split("\r\n");
    const headers = Object.fromEntries(
      lines.map((line) => {
        const colon = line.indexOf(":");
        return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
      }),
    );
    const length = Number(headers["content-length"]);
    const start = headEnd + 4;
    await this.#waitFor(() => (this.#received.length >= start + length ? true : undefined));
    const body = this.#received.subarray(start, start + length);
    this.#received = this.#received.subarray(start + length);
    return { status: Number(statusLine.split(" ")[1]), headers, body };
  }

  async #waitFor<T>(look: () => T | undefined): Promise<T> {
    for (;;) {
      const found = look();
      if (found !== undefined) return found;
      if (this.#ended)
        throw new Error(`connection closed after ${JSON.stringify(this.#received.toString("latin1"))}`);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  [Symbol.dispose](): void {
    this.#socket.destroy();
  }
}
