/** Which bodies are to be deleted: those of groups that are gone, but for each run's latest example. */
export class GarbageList {
  #ids: number[] = [];
  readonly #keptByRun = new Map<number, number | null>();
  /** Those on the list that stay as long as they are kept. */
  #kept: number[] = [];

  /** How many can be deleted. */
  get size(): number {
    return this.#ids.length;
  }

  /** The run's latest example from now on. */
  keep(run: number, id: number | null): void {
    if (this.#keptByRun.get(run) === id) return;
    this.#keptByRun.set(run, id);
    const released = this.#kept;
    this.#kept = [];
    this.add(released);
  }

  add(ids: readonly number[]): void {
    const kept = new Set(this.#keptByRun.values());
    for (const id of ids) (kept.has(id) ? this.#kept : this.#ids).push(id);
  }

  replace(ids: readonly number[]): void {
    this.#ids = [];
    this.#kept = [];
    this.add(ids);
  }

  /** Takes up to so many off the list. */
  take(most: number): number[] {
    const kept = new Set(this.#keptByRun.values());
    const taken = this.#ids.splice(Math.max(0, this.#ids.length - most));
    this.#kept.push(...taken.filter((id) => kept.has(id)));
    return taken.filter((id) => !kept.has(id));
  }
}
