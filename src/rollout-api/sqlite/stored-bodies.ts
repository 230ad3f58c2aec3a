/**
 * Bodies of a store: small ones in its SQLite file, large ones in segments beside it (body-segments.ts), which
 * costs a tenth. Bodies of gone groups are listed as garbage and deleted later, but for each run's latest
 * example. Its own transactions aside, it writes within those of the store file.
 */
import { LachesisError } from "../../contracts/errors.ts";
import { GroupKernel } from "../kernel/group-kernel.ts";
import { type BodySegments, type Place, SEGMENT_BYTES } from "./body-segments.ts";
import { GarbageList } from "./garbage-list.ts";
import { bytesIn, numberIn, type Row } from "./rows.ts";
import type { Statements } from "./statements.ts";

/** Bodies from this size on are worth a row that says where they are. */
const LARGE_BYTES = 4096;
/** Bodies of gone groups beyond this are deleted with each commit, at the commits' cost. */
const MOST_GARBAGE = 128;
const SWEPT_PER_COMMIT = 32;
/** Segments may hold this much that nobody needs, and as much again as is needed. */
const WASTE_BYTES = 4 * SEGMENT_BYTES;
/** Moved at once, so that nobody is held up. */
const MOVED_BYTES = 8 * 1024 * 1024;

export type StoredBody = { id: number; body: Uint8Array };

type PlacedBody = Place & { id: number; checksum: number; synced: number };

const INSERT_PLACE =
  "INSERT INTO places (id, segment, start, length, checksum, synced) VALUES (?, ?, ?, ?, ?, ?) " +
  "ON CONFLICT DO UPDATE SET segment = excluded.segment, start = excluded.start, synced = excluded.synced";

export class StoredBodies {
  readonly #statements: Statements;
  readonly #segments: BodySegments;
  readonly #isSynced: boolean;
  readonly #garbage = new GarbageList();
  readonly #kernel = new GroupKernel();
  #syncedThrough = 0;
  /** Places that the transaction under way gives up. */
  #released: Place[] = [];

  /** `isSynced`: the segments are on the disk when they have been appended to. */
  constructor(statements: Statements, segments: BodySegments, isSynced: boolean) {
    this.#statements = statements;
    this.#segments = segments;
    this.#isSynced = isSynced;
  }

  /**
   * Finds out what is there. Returns the ids of bodies that were not on the disk yet when the machine stopped.
   * Throws STORE_CORRUPT where one is missing that was.
   */
  load(): number[] {
    this.#garbage.replace(this.#statements.all("SELECT id FROM garbage ORDER BY id").map(idOf));
    const placed = this.#statements.all("SELECT * FROM places ORDER BY id").map(placedBody);
    this.#syncedThrough = numberIn(
      this.#statements.get("SELECT synced_through FROM segments").get(),
      "synced_through",
    );
    this.#released = [];
    this.#segments.restore(placed, this.#syncedThrough);
    const lost: number[] = [];
    for (const body of placed) {
      const wasSynced = body.synced === 1 || body.segment <= this.#syncedThrough;
      if (wasSynced && !this.#segments.holds(body)) throw damaged(body.id);
      if (!wasSynced && this.#readPlaced([body])[0] === undefined) lost.push(body.id);
    }
    return lost;
  }

  /** The run's latest example from now on. */
  keep(run: number, id: number | null): void {
    this.#garbage.keep(run, id);
  }

  /** Writes bodies that get their rows in the next transaction. */
  write(bodies: readonly StoredBody[]): PlacedBody[] {
    const large = bodies.filter(({ body }) => body.length >= LARGE_BYTES);
    const places = this.#segments.append(large.map(({ body }) => body));
    return large.flatMap(({ id, body }, index) => {
      const place = places[index];
      return place === undefined
        ? []
        : [{ id, ...place, checksum: this.#kernel.checksum(body), synced: this.#isSynced ? 1 : 0 }];
    });
  }

  /** The rows of bodies that have been written, and small bodies themselves. */
  insert(bodies: readonly StoredBody[], placed: readonly PlacedBody[]): void {
    const small = bodies.filter(({ body }) => body.length < LARGE_BYTES);
    this.#statements.each("INSERT INTO bodies (id, body) VALUES (?, ?)", small, ({ id, body }) => [id, body]);
    this.#insertPlaces(placed);
  }

  discard(ids: readonly number[]): void {
    this.#statements.each("INSERT INTO garbage (id) VALUES (?)", ids, (id) => [id]);
    this.#garbage.add(ids);
  }

  /** To be called at the end of a transaction: the share of the work that can't wait for a quiet moment. */
  tidy(): void {
    if (this.#garbage.size > MOST_GARBAGE) this.#delete(SWEPT_PER_COMMIT);
    const { syncedThrough } = this.#segments;
    if (syncedThrough === this.#syncedThrough) return;
    this.#statements.get("UPDATE segments SET synced_through = ?").run(syncedThrough);
    this.#syncedThrough = syncedThrough;
  }

  /** To be called when the transaction is done. */
  committed(): void {
    this.#segments.release(this.#released);
    this.#released = [];
    const { wastedBytes, liveBytes } = this.#segments;
    if (wastedBytes > WASTE_BYTES && wastedBytes > liveBytes) this.#compact();
  }

  /** Deletes some bodies of groups that are gone; false = there are none. */
  sweep(most: number): boolean {
    if (this.#garbage.size === 0) return false;
    try {
      this.#statements.transaction(() => {
        this.#delete(most);
        this.tidy();
      });
    } catch (error) {
      this.#released = [];
      throw error;
    }
    this.committed();
    return this.#garbage.size > 0;
  }

  /** The bodies of these groups; null = one is not there. Throws STORE_CORRUPT where one is damaged. */
  read(ids: readonly number[]): Uint8Array<ArrayBuffer>[] | null {
    const places = this.#statements.get("SELECT * FROM places WHERE id = ?");
    const rows = ids.map((id) => places.get(id));
    const placed = rows.flatMap((row) => (row === undefined ? [] : [placedBody(row)]));
    const large = this.#readPlaced(placed);
    const bodies: Uint8Array<ArrayBuffer>[] = [];
    for (const [index, id] of ids.entries()) {
      const isPlaced = rows[index] !== undefined;
      const body = isPlaced ? large.shift() : this.#readSmall(id);
      if (body === undefined && isPlaced) throw damaged(id);
      if (body === undefined) return null;
      bodies.push(body);
    }
    return bodies;
  }

  #readSmall(id: number): Uint8Array<ArrayBuffer> | undefined {
    const row = this.#statements.get("SELECT body FROM bodies WHERE id = ?").get(id);
    return row === undefined ? undefined : bytesIn(row, "body");
  }

  /** undefined = the body is not as it was written. */
  #readPlaced(placed: readonly PlacedBody[]): (Uint8Array<ArrayBuffer> | undefined)[] {
    const bodies = this.#segments.read(placed);
    return bodies.map((body, index) =>
      body !== undefined && this.#kernel.checksum(body) === placed[index]?.checksum ? body : undefined,
    );
  }

  #insertPlaces(placed: readonly PlacedBody[]): void {
    this.#statements.each(INSERT_PLACE, placed, ({ id, segment, start, length, checksum, synced }) => [
      id,
      segment,
      start,
      length,
      checksum,
      synced,
    ]);
  }

  /** Moves what is still needed out of the segment that has the least of it. */
  #compact(): void {
    const sparsest = this.#segments.sparsest();
    if (sparsest === undefined) return;
    let bytes = 0;
    const leaving = this.#statements
      .get("SELECT * FROM places WHERE segment = ? ORDER BY start")
      .all(sparsest)
      .map(placedBody)
      .filter(({ length }, index) => {
        bytes += length;
        return index === 0 || bytes <= MOVED_BYTES;
      });
    const bodies = this.#segments.read(leaving).filter((body) => body !== undefined);
    // One that is damaged stays where it is, for whoever reads it to hear of it.
    if (bodies.length < leaving.length) return;
    let moved: Place[] = [];
    try {
      moved = this.#segments.append(bodies);
      const placed = leaving.flatMap((body, index) => {
        const place = moved[index];
        return place === undefined ? [] : [{ ...body, ...place, synced: this.#isSynced ? 1 : 0 }];
      });
      this.#statements.transaction(() => this.#insertPlaces(placed));
      this.#segments.release(leaving);
    } catch {
      // Can wait: the next commit meets the same disk, and tells.
      this.#segments.release(moved);
    }
  }

  #delete(most: number): void {
    const place = this.#statements.get("DELETE FROM places WHERE id = ? RETURNING *");
    for (const id of this.#garbage.take(most)) {
      const row = place.get(id);
      if (row !== undefined) this.#released.push(placedBody(row));
      else this.#statements.get("DELETE FROM bodies WHERE id = ?").run(id);
      this.#statements.get("DELETE FROM garbage WHERE id = ?").run(id);
    }
  }
}

function damaged(id: number): LachesisError {
  return new LachesisError("STORE_CORRUPT", `the body of group ${id} is not as it was written`, {
    hint: "Check the disk. Put a copy of the store back, or go on without what it holds (--reset).",
  });
}

function idOf(row: Row): number {
  return numberIn(row, "id");
}

function placedBody(row: Row): PlacedBody {
  return {
    id: idOf(row),
    segment: numberIn(row, "segment"),
    start: numberIn(row, "start"),
    length: numberIn(row, "length"),
    checksum: numberIn(row, "checksum"),
    synced: numberIn(row, "synced"),
  };
}
