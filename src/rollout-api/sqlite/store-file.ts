/**
 * A store file and the statements on it. Synchronous: every call blocks its thread, for long when the disk is
 * slow, so it lives in one of its own (commit-worker.ts).
 *
 * Large bodies are in files of their own beside it (body-segments.ts).
 *
 * The file is in WAL mode and locked for other processes as long as it is open. `synchronous` NORMAL survives
 * the end of this process at any moment; FULL waits for the disk at every commit and survives a power cut.
 */
import { DatabaseSync } from "node:sqlite";
import { LachesisError } from "../../contracts/errors.ts";
import { REMEMBERED_GROUP_IDS, REMEMBERED_SETTLEMENTS } from "../recent-names.ts";
import { BodySegments } from "./body-segments.ts";
import type { SyncMode } from "./commit-messages.ts";
import { dropGroups } from "./drop-groups.ts";
import { numberIn } from "./rows.ts";
import type { RunChanges } from "./run-changes.ts";
import { APPLICATION_ID, MIGRATIONS, PAGE_BYTES, SCHEMA, SCHEMA_VERSION } from "./schema.ts";
import { encodeState } from "./state-text.ts";
import { Statements } from "./statements.ts";
import { openError } from "./store-errors.ts";
import { StoredBodies } from "./stored-bodies.ts";
import type { StoredTables } from "./stored-tables.ts";

/** How long to wait for another process that is just closing the file. */
const LOCK_WAIT_MS = 1000;
/** The log goes into the file when it has grown to this. */
const CHECKPOINT_BYTES = 64 * 1024 * 1024;

export class StoreFile implements Disposable {
  readonly #database: DatabaseSync;
  readonly #statements: Statements;
  readonly #segments: BodySegments;
  readonly #bodies: StoredBodies;

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
    this.#statements = new Statements(database);
    this.#segments = new BodySegments(`${path}-bodies`, sync);
    this.#bodies = new StoredBodies(this.#statements, this.#segments, sync === "full");
  }

  /** All that is stored but the bodies, to be parsed by whoever asks; how many groups a power cut took. */
  load(): { tables: StoredTables; lostGroups: number } {
    const all = (sql: string) => this.#statements.all(sql);
    const runs = () => all("SELECT id, name, latest_group, state FROM runs ORDER BY id");
    for (const run of runs()) {
      this.#bodies.keep(
        numberIn(run, "id"),
        run.latest_group === null ? null : numberIn(run, "latest_group"),
      );
    }
    const lost = this.#bodies.load();
    this.#statements.transaction(() => dropGroups(this.#statements, lost));
    const tables = {
      runs: runs(),
      envs: all("SELECT run, state FROM envs ORDER BY run, env"),
      groups: all(
        "SELECT id, run, env, sequences, bytes, arrived_at, arrived_step, position FROM groups ORDER BY id",
      ),
      batches: all(
        "SELECT run, batch, formed_at, group_ids, lease, expires_at FROM batches ORDER BY run, batch",
      ),
      settlements: all("SELECT run, number, lease, how FROM settlements ORDER BY run, number"),
      groupNames: all("SELECT run, number, name, sequences_left FROM group_names ORDER BY run, number"),
      lastGroup: all("SELECT max(id) AS id FROM (SELECT id FROM bodies UNION ALL SELECT id FROM places)"),
    };
    return { tables, lostGroups: lost.length };
  }

  /** Writes all changes in one transaction; when it throws, nothing was written. */
  write(changes: readonly RunChanges[]): void {
    if (changes.length === 0) return;
    const placed = this.#bodies.write(changes.flatMap(({ bodies }) => bodies));
    this.#statements.transaction(() => {
      for (const change of changes) this.#writeRun(change);
      this.#bodies.insert(
        changes.flatMap(({ bodies }) => bodies),
        placed,
      );
      this.#bodies.tidy();
    });
    this.#bodies.committed();
  }

  /** Reads the bodies of these groups, one after the other; answers their lengths, null = one is not there. Throws STORE_CORRUPT where one is damaged. */
  readBodies(ids: readonly number[], memory: Uint8Array): number[] | null {
    return this.#bodies.read(ids, memory);
  }

  /** Deletes some bodies of groups that are gone; false = there are none. */
  sweep(most: number): boolean {
    return this.#bodies.sweep(most);
  }

  [Symbol.dispose](): void {
    this.#segments[Symbol.dispose]();
    this.#database.close();
  }

  #writeRun(changes: RunChanges): void {
    const { run, row } = changes;
    if (changes.cleared) this.#clear(run);
    this.#bodies.discard(changes.garbage);
    this.#statements.each(
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
    this.#statements.each(
      "UPDATE groups SET position = ? WHERE id = ?",
      changes.queued,
      ({ id, position }) => [position, id],
    );
    this.#statements.each(
      "INSERT INTO batches (run, batch, formed_at, group_ids) VALUES (?, ?, ?, ?)",
      changes.formed,
      ({ id, formedAt, groupIds }) => [run, id, formedAt, JSON.stringify(groupIds)],
    );
    this.#statements.each(
      "UPDATE batches SET lease = ?, expires_at = ? WHERE run = ? AND batch = ?",
      changes.leases,
      ({ batchId, lease }) => [lease?.leaseId ?? null, lease?.expiresAt ?? null, run, batchId],
    );
    this.#statements.each("DELETE FROM batches WHERE run = ? AND batch = ?", changes.taken, ({ batchId }) => [
      run,
      batchId,
    ]);
    const goneIds = changes.taken.flatMap(({ groupIds }) => groupIds);
    this.#statements.each("DELETE FROM groups WHERE id = ?", goneIds, (id) => [id]);
    this.#bodies.discard(goneIds);
    this.#statements.each(
      "INSERT INTO settlements (run, number, lease, how) VALUES (?, ?, ?, ?)",
      changes.settlements,
      ({ number, name, value }) => [run, number, name, value],
    );
    this.#forget("settlements", run, changes.settlements.at(-1)?.number, REMEMBERED_SETTLEMENTS);
    this.#statements.each(
      "INSERT INTO group_names (run, number, name, sequences_left) VALUES (?, ?, ?, ?)",
      changes.groupNames,
      ({ number, name, value }) => [run, number, name, value.kind === "queued" ? null : value.sequencesLeft],
    );
    this.#forget("group_names", run, changes.groupNames.at(-1)?.number, REMEMBERED_GROUP_IDS);
    this.#statements.each(
      "INSERT INTO envs (run, env, state) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET state = excluded.state",
      changes.envs,
      (env) => [run, env.envId, encodeState(env)],
    );
    if (row === null) return;
    this.#statements
      .get(
        "INSERT INTO runs (id, name, latest_group, state) VALUES (?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET latest_group = excluded.latest_group, state = excluded.state",
      )
      .run(run, row.name, row.state.latestGroupId, encodeState(row.state));
    this.#bodies.keep(run, row.state.latestGroupId);
  }

  #clear(run: number): void {
    const rows = this.#statements.get("SELECT id FROM groups WHERE run = ?").all(run);
    this.#bodies.discard(rows.map((row) => numberIn(row, "id")));
    for (const table of ["groups", "batches", "settlements", "group_names", "envs"]) {
      this.#statements.get(`DELETE FROM ${table} WHERE run = ?`).run(run);
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
    this.#statements.get(`DELETE FROM ${table} WHERE run = ? AND number <= ?`).run(run, last - remembered);
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
  const version = isEmpty ? SCHEMA_VERSION : pragma("user_version");
  const migration = MIGRATIONS.get(version);
  if (version !== SCHEMA_VERSION && migration === undefined) {
    throw new LachesisError(
      "STORE_VERSION_UNSUPPORTED",
      `${path} is a store of version ${version}, this run-api knows version ${SCHEMA_VERSION}`,
      { hint: "Drain it with the run-api that wrote it, or give another --store." },
    );
  }
  if (isEmpty) database.exec(`PRAGMA page_size = ${PAGE_BYTES}`);
  database.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = ${sync === "full" ? "FULL" : "NORMAL"}`);
  database.exec(`PRAGMA wal_autocheckpoint = ${Math.ceil(CHECKPOINT_BYTES / PAGE_BYTES)}`);
  database.exec("BEGIN EXCLUSIVE");
  if (isEmpty) {
    database.exec(SCHEMA);
    database.exec(`PRAGMA application_id = ${APPLICATION_ID}`);
  }
  if (migration !== undefined) database.exec(migration);
  database.exec(`PRAGMA user_version = ${SCHEMA_VERSION}`);
  database.exec("COMMIT");
}
