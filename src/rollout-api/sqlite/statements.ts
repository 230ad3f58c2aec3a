/** Prepared statements of one database, each prepared once. */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { Row } from "./rows.ts";

type Value = number | string | Uint8Array | null;

export class Statements {
  readonly #database: DatabaseSync;
  readonly #prepared = new Map<string, StatementSync>();

  constructor(database: DatabaseSync) {
    this.#database = database;
  }

  get(sql: string): StatementSync {
    const statement = this.#prepared.get(sql) ?? this.#database.prepare(sql);
    this.#prepared.set(sql, statement);
    return statement;
  }

  all(sql: string): Row[] {
    return this.get(sql).all();
  }

  /** Runs it once for each item. */
  each<Item>(sql: string, items: readonly Item[], values: (item: Item) => Value[]): void {
    if (items.length === 0) return;
    const statement = this.get(sql);
    for (const item of items) statement.run(...values(item));
  }

  /** All of `write` or, when it throws, nothing. */
  transaction(write: () => void): void {
    this.#database.exec("BEGIN IMMEDIATE");
    try {
      write();
      this.#database.exec("COMMIT");
    } catch (error) {
      if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
      throw error;
    }
  }
}
