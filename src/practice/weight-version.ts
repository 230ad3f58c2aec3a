/** The weights that a practice server pretends to have: they change by the count of answers, or when told to. */
export class WeightVersion {
  readonly #every: number;
  #answers = 0;
  #current = "default";
  #updates = 0;

  constructor({ every }: { every: number }) {
    this.#every = every;
  }

  /** SGLang's word for weights that were never updated is "default"; then "1", "2", ... */
  get current(): string {
    return this.#current;
  }

  get updates(): number {
    return this.#updates;
  }

  update(version = String(this.#updates + 1)): void {
    this.#current = version;
    this.#updates += 1;
  }

  /** The version that the next answer is sampled from. */
  next(): string {
    if (this.#every > 0 && this.#answers > 0 && this.#answers % this.#every === 0) this.update();
    this.#answers += 1;
    return this.#current;
  }
}
