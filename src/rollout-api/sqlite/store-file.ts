/**
 * A store file and the statements on it. Synchronous: every call blocks its thread, for long when the disk is
 * slow, so it lives in one of its own (commit-worker.ts).
 *
 * The file is in WAL mode and locked for other processes as long as it is open. `synchronous` NORMAL survives
 * the end of this process at any moment; FULL waits for the disk at every commit and survives a power cut.
 */
import { DatabaseSync, type SQLOutputValue, type StatementSync } from "node:sqlite";
import { LachesisError } from "../../contracts/errors.ts";
import { REMEMBERED_GROUP_IDS, REMEMBERED_SETTLEMENTS } from "../recent-names.ts";
import { GarbageList } from "./garbage-list.ts";
import type { RunChanges } from "./run-changes.ts";
import { APPLICATION_ID, PAGE_BYTES, SCHEMA, SCHEMA_VERSION } from "./schema.ts";
import { encodeState } from "./state-text.ts";
import { openError } from "./store-errors.ts";
import type { StoredTables } from "./stored-tables.ts";

export type SyncMode = "normal" | "full";

/** How long to wait for another process that is just closing the file. */
const LOCK_WAIT_MS = 1000;
/** The log goes into the file when it has grown to this. */
const CHECKPOINT_BYTES = 64 * 1024 * 1024;
/** Bodies of gone groups beyond this are deleted with each commit, at the commits' cost. */
const MOST_GARBAGE = 128;
const SWEPT_PER_COMMIT = 32;

export class StoreFile implements Disposable {
  readonly #database: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  readonly #garbage = new GarbageList();

  /** Throws STORE_LOCKED, STORE_CORRUPT, STORE_VERSION_UNSUPPORTED or STORE_OPEN_FAILED. */
  constructor(path: string, sync: SyncMode) {
    let database: DatabaseSync | undefined;
    try {
      database = new DatabaseSync(path, { timeout: LOCK_WAIT_MS });
      prepareFile(database, path, sync);
    } catch (error) {
      database?.close();
      throw openError(error, path);
    }
    this.#database = database;
  }

  /** All that is stored but the bodies, to be parsed by whoever asks. */
  load(): StoredTables {
    const all = (sql: string) => this.#database.prepare(sql).all();
    const runs = all("SELECT id, name, latest_group, state FROM runs ORDER BY id");
    for (const run of runs) {
      this.#garbage.keep(
        numberIn(run, "id"),
        run.latest_group === null ? null : numberIn(run, "latest_group"),
      );
    }
    this.#garbage.replace(all("SELECT id FROM garbage ORDER BY id").map((row) => numberIn(row, "id")));
    return {
      runs,
      envs: all("SELECT run, state FROM envs ORDER BY run, env"),
      groups: all(
        "SELECT id, run, env, sequences, bytes, arrived_at, arrived_step, position FROM groups ORDER BY id",
      ),
      batches: all(
        "SELECT run, batch, formed_at, group_ids, lease, expires_at FROM batches ORDER BY run, batch",
      ),
      settlements: all("SELECT run, number, lease, how FROM settlements ORDER BY run, number"),
      groupNames: all("SELECT run, number, name, sequences_left FROM group_names ORDER BY run, number"),
      lastGroup: all("SELECT max(id) AS id FROM bodies"),
    };
  }

  /** Writes all changes in one transaction; when it throws, nothing was written. */
  write(changes: readonly RunChanges[]): void {
    if (changes.length === 0) return;
    this.#transaction(() => {
      for (const change of changes) this.#writeRun(change);
      if (this.#garbage.size > MOST_GARBAGE) this.#deleteBodies(SWEPT_PER_COMMIT);
    });
  }

  /** The bodies of these groups; null = one is not there. */
  readBodies(ids: readonly number[]): Uint8Array<ArrayBuffer>[] | null {
    const bodies: Uint8Array<ArrayBuffer>[] = [];
    const statement = this.#statement("SELECT body FROM bodies WHERE id = ?");
    for (const id of ids) {
      const row = statement.get(id);
      if (row === undefined) return null;
      bodies.push(bytesIn(row, "body"));
    }
    return bodies;
  }

  /** Deletes some bodies of groups that are gone, whose pages are then used again; false = there are none. */
  sweep(most: number): boolean {
    if (this.#garbage.size === 0) return false;
    this.#transaction(() => this.#deleteBodies(most));
    return this.#garbage.size > 0;
  }

  [Symbol.dispose](): void {
    this.#database.close();
  }

  #writeRun(changes: RunChanges): void {
    const { run, row } = changes;
    if (changes.cleared) this.#clear(run);
    this.#each("INSERT INTO bodies (id, body) VALUES (?, ?)", changes.bodies, ({ id, body }) => [id, body]);
    this.#discard(changes.garbage);
    this.#each(
      "INSERT INTO groups (id, run, env, sequences, bytes, arrived_at, arrived_step, position) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
      changes.groups,
      (group) => [
        group.id,
        run,
        group.envId,
        group.sequences,
        group.bytes,
        group.arrivedAt,
        group.arrivedStep,
        group.position,
      ],
    );
    this.#each("UPDATE groups SET position = ? WHERE id = ?", changes.queued, ({ id, position }) => [
      position,
      id,
    ]);
    this.#each(
      "INSERT INTO batches (run, batch, formed_at, group_ids) VALUES (?, ?, ?, ?)",
      changes.formed,
      ({ id, formedAt, groupIds }) => [run, id, formedAt, JSON.stringify(groupIds)],
    );
    this.#each(
      "UPDATE batches SET lease = ?, expires_at = ? WHERE run = ? AND batch = ?",
      changes.leases,
      ({ batchId, lease }) => [lease?.leaseId ?? null, lease?.expiresAt ?? null, run, batchId],
    );
    this.#each("DELETE FROM batches WHERE run = ? AND batch = ?", changes.taken, ({ batchId }) => [
      run,
      batchId,
    ]);
    const goneIds = changes.taken.flatMap(({ groupIds }) => groupIds);
    this.#each("DELETE FROM groups WHERE id = ?", goneIds, (id) => [id]);
    this.#discard(goneIds);
    this.#each(
      "INSERT INTO settlements (run, number, lease, how) VALUES (?, ?, ?, ?)",
      changes.settlements,
      ({ number, name, value }) => [run, number, name, value],
    );
    this.#forget("settlements", run, changes.settlements.at(-1)?.number, REMEMBERED_SETTLEMENTS);
    this.#each(
      "INSERT INTO group_names (run, number, name, sequences_left) VALUES (?, ?, ?, ?)",
      changes.groupNames,
      ({ number, name, value }) => [run, number, name, value.kind === "queued" ? null : value.sequencesLeft],
    );
    this.#forget("group_names", run, changes.groupNames.at(-1)?.number, REMEMBERED_GROUP_IDS);
    this.#each(
      "INSERT INTO envs (run, env, state) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET state = excluded.state",
      changes.envs,
      (env) => [run, env.envId, encodeState(env)],
    );
    if (row === null) return;
    this.#statement(
      "INSERT INTO runs (id, name, latest_group, state) VALUES (?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET latest_group = excluded.latest_group, state = excluded.state",
    ).run(run, row.name, row.state.latestGroupId, encodeState(row.state));
    this.#garbage.keep(run, row.state.latestGroupId);
  }

  #clear(run: number): void {
    const rows = this.#statement("SELECT id FROM groups WHERE run = ?").all(run);
    this.#discard(rows.map((row) => numberIn(row, "id")));
    for (const table of ["groups", "batches", "settlements", "group_names", "envs"]) {
      this.#statement(`DELETE FROM ${table} WHERE run = ?`).run(run);
    }
  }

  /** Lets the names go that are no longer among the newest. */
  #forget(
    table: "settlements" | "group_names",
    run: number,
    last: number | undefined,
    remembered: number,
  ): void {
    if (last === undefined || last <= remembered) return;
    this.#statement(`DELETE FROM ${table} WHERE run = ? AND number <= ?`).run(run, last - remembered);
  }

  #discard(ids: readonly number[]): void {
    this.#each("INSERT INTO garbage (id) VALUES (?)", ids, (id) => [id]);
    this.#garbage.add(ids);
  }

  #deleteBodies(most: number): void {
    for (const id of this.#garbage.take(most)) {
      this.#statement("DELETE FROM bodies WHERE id = ?").run(id);
      this.#statement("DELETE FROM garbage WHERE id = ?").run(id);
    }
  }

  #transaction(write: () => void): void {
    this.#database.exec("BEGIN IMMEDIATE");
    try {
      write();
      this.#database.exec("COMMIT");
    } catch (error) {
      if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
      throw error;
    }
  }

  #each<Item>(
    sql: string,
    items: readonly Item[],
    values: (item: Item) => (number | string | Uint8Array | null)[],
  ): void {
    if (items.length === 0) return;
    const statement = this.#statement(sql);
    for (const item of items) statement.run(...values(item));
  }

  #statement(sql: string): StatementSync {
    const statement = this.#statements.get(sql) ?? this.#database.prepare(sql);
    this.#statements.set(sql, statement);
    return statement;
  }
}

/** Locks the file, makes the tables in a new one, and refuses what is not a store of this version. */
function prepareFile(database: DatabaseSync, path: string, sync: SyncMode): void {
  const pragma = (name: string) => numberIn(database.prepare(`PRAGMA ${name}`).get(), name);
  database.exec("PRAGMA locking_mode = EXCLUSIVE");
  const isEmpty = database.prepare("SELECT 1 FROM sqlite_schema").get() === undefined;
  if (!isEmpty && pragma("application_id") !== APPLICATION_ID) {
    throw new LachesisError("STORE_CORRUPT", `${path} is an SQLite file of another program`, {
      hint: "Give another --store; the file was left as it is.",
    });
  }
  if (!isEmpty && pragma("user_version") !== SCHEMA_VERSION) {
    throw new LachesisError(
      "STORE_VERSION_UNSUPPORTED",
      `${path} is a store of version ${pragma("user_version")}, this run-api knows version ${SCHEMA_VERSION}`,
      { hint: "Drain it with the run-api that wrote it, or give another --store." },
    );
  }
  if (isEmpty) database.exec(`PRAGMA page_size = ${PAGE_BYTES}`);
  database.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = ${sync === "full" ? "FULL" : "NORMAL"}`);
  database.exec(`PRAGMA wal_autocheckpoint = ${Math.ceil(CHECKPOINT_BYTES / PAGE_BYTES)}`);
  database.exec("BEGIN EXCLUSIVE");
  if (isEmpty) {
    database.exec(SCHEMA);
    database.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${SCHEMA_VERSION}`);
  }
  database.exec("COMMIT");
}

type Row = Record<string, SQLOutputValue>;

function numberIn(row: Row | undefined, column: string): number {
  const value = row?.[column];
  if (typeof value !== "number")
    throw new LachesisError("STORE_CORRUPT", `no number in the column ${column}`);
  return value;
}

/** SQLite's driver gives each blob memory of its own, which may move to another thread. */
function bytesIn(row: Row, column: string): Uint8Array<ArrayBuffer> {
  const value = row[column];
  if (value instanceof Uint8Array && value.buffer instanceof ArrayBuffer) return new Uint8Array(value.buffer);
  throw new LachesisError("STORE_CORRUPT", `no bytes in the column ${column}`);
}
