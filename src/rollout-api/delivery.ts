/**
 * Whether an answer reached its client, as far as a server can know without the client's word.
 *
 * Answered is not received: when Node has handed the last byte to the system (`finish`), the client may have
 * hung up long ago, and the system's reset of the connection comes a moment later. So an answer counts as
 * delivered when after `finish` the connection is used again, is closed in an orderly way, or stays quiet for
 * a moment.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";

/** `broken` before the answer was out; `reset` when it was out but the client threw the connection away. */
export type DeliveryOutcome = "delivered" | "broken" | "reset";

/** Resets come within a round trip. */
const QUIET_MS = 250;

/** What becomes of the answers of one server. */
export class DeliveryWatch {
  /** Connections whose answer is out but not yet called delivered, and how to call it so. */
  readonly #unconfirmed = new Map<Socket, () => void>();

  /** Resolves when the answer's fate is known; never when nothing is answered on a connection that stays. */
  watch({ socket }: IncomingMessage, response: ServerResponse): Promise<DeliveryOutcome> {
    return new Promise((resolve) => {
      if (isGone(socket)) return resolve("broken");
      let isOut = false;
      response.once("close", () => {
        if (!isOut) resolve("broken");
      });
      response.once("finish", () => {
        isOut = true;
        // A client that closed its side before it had the answer does not wait for it.
        if (isGone(socket)) resolve("broken");
        else this.#confirm(socket, resolve);
      });
    });
  }

  /** To be told of every request: a client that asks again has read the answer before. */
  onRequest({ socket }: IncomingMessage): void {
    this.#unconfirmed.get(socket)?.();
  }

  /** Calls what still waits for its moment delivered, because the server closes. */
  settleAll(): void {
    for (const confirm of [...this.#unconfirmed.values()]) confirm();
  }

  #confirm(socket: Socket, resolve: (outcome: DeliveryOutcome) => void): void {
    const settle = (outcome: DeliveryOutcome) => {
      clearTimeout(quiet);
      socket.off("close", onClose);
      this.#unconfirmed.delete(socket);
      resolve(outcome);
    };
    const onClose = (hadError: boolean) => settle(hadError ? "reset" : "delivered");
    const quiet = setTimeout(() => settle("delivered"), QUIET_MS);
    socket.once("close", onClose);
    this.#unconfirmed.set(socket, () => settle("delivered"));
  }
}

function isGone(socket: Socket): boolean {
  return socket.destroyed || socket.readableEnded;
}
