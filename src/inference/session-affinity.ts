/**
 * Which server answered a session last: its prefix is cached there. Bounded, for nobody says when a session is
 * over; the one unused for the longest time is forgotten first.
 */
export class SessionAffinity<Server> {
  readonly #capacity: number;
  readonly #servers = new Map<string, Server>();

  constructor(capacity = 10_000) {
    this.#capacity = capacity;
  }

  get(session: string): Server | undefined {
    return this.#servers.get(session);
  }

  set(session: string, server: Server): void {
    this.#servers.delete(session);
    this.#servers.set(session, server);
    if (this.#servers.size <= this.#capacity) return;
    const [oldest] = this.#servers.keys();
    if (oldest !== undefined) this.#servers.delete(oldest);
  }
}
