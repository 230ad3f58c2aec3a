/**
 * Bodies of a store: small ones in its SQLite file, large ones in segments beside it (body-segments.ts), which
 * costs a tenth. Bodies of gone groups are listed as garbage and deleted later, but for each run's latest
 * example. Its own transactions aside, it writes within those of the store file.
 */
import { LachesisError } from "../../contracts/errors.ts";
import { GroupKernel } from "../kernel/group-kernel.ts";
import type { BodySegments, Place } from "./body-segments.ts";
import { GarbageList } from "./garbage-list.ts";
import { bytesIn, numberIn, type Row } from "./rows.ts";
import type { Statements } from "./statements.ts";

/** Bodies from this size on are worth a row that says where they are. */
const LARGE_BYTES = 4096;
/** Bodies of gone groups beyond this are deleted with each commit, at the commits' cost. */
const MOST_GARBAGE = 128;
const SWEPT_PER_COMMIT = 32;
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
      // A segment may have gone for good before the system wrote down that its groups had left.
      const hasGone = body.synced === 0 && !this.#segments.exists(body);
      if (!hasGone && wasSynced && !this.#segments.holds(body)) throw damaged(body.id);
      if (hasGone || (!wasSynced && !this.#isWhole(body))) lost.push(body.id);
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
    if (this.#segments.isWasteful) this.#compact();
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

  /**
   * Reads the bodies of these groups, one after the other, if there is room for all; answers their lengths in
   * any case, null = one is not there. Throws STORE_CORRUPT where one is damaged.
   */
  read(ids: readonly number[], memory: Uint8Array): number[] | null {
    const findPlace = this.#statements.get("SELECT * FROM places WHERE id = ?");
    const bodies: (PlacedBody | Uint8Array)[] = [];
    for (const id of ids) {
      const row = findPlace.get(id);
      const body = row === undefined ? this.#readSmall(id) : placedBody(row);
      if (body === undefined) return null;
      bodies.push(body);
    }
    const lengths = bodies.map(({ length }) => length);
    if (lengths.reduce((sum, length) => sum + length, 0) <= memory.length) this.#readAll(bodies, memory);
    return lengths;
  }

  #readAll(bodies: readonly (PlacedBody | Uint8Array)[], memory: Uint8Array): void {
    let to = 0;
    /** Places side by side are read in one go. */
    let run: PlacedBody[] = [];
    for (const body of bodies) {
      const last = run.at(-1);
      const goesOn = isPlace(body) && (last === undefined || isNext(last, body));
      if (!goesOn) {
        to += this.#readNeighbours(run, memory.subarray(to));
        run = [];
      }
      if (isPlace(body)) run.push(body);
      else {
        memory.set(body, to);
        to += body.length;
      }
    }
    this.#readNeighbours(run, memory.subarray(to));
  }

  #readSmall(id: number): Uint8Array | undefined {
    const row = this.#statements.get("SELECT body FROM bodies WHERE id = ?").get(id);
    return row === undefined ? undefined : bytesIn(row, "body");
  }

  /** Reads bodies that are side by side; how many bytes they are. */
  #readNeighbours(bodies: readonly PlacedBody[], memory: Uint8Array): number {
    const [first] = bodies;
    if (first === undefined) return 0;
    const length = bodies.reduce((sum, body) => sum + body.length, 0);
    const read = this.#segments.read({ ...first, length }, memory);
    let at = 0;
    for (const body of bodies) {
      const isWhole = at + body.length <= read;
      const bytes = memory.subarray(at, at + body.length);
      const isOurs = this.#segments.wasWrittenHere(body);
      if (!isWhole || (!isOurs && this.#kernel.checksum(bytes) !== body.checksum)) throw damaged(body.id);
      at += body.length;
    }
    return length;
  }

  #isWhole(body: PlacedBody): boolean {
    const memory = Buffer.allocUnsafeSlow(body.length);
    return (
      this.#segments.read(body, memory) === body.length && this.#kernel.checksum(memory) === body.checksum
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
    const bodies = leaving.map((place) => {
      const body = Buffer.allocUnsafeSlow(place.length);
      return body.subarray(0, this.#segments.read(place, body));
    });
    // One that was cut stays where it is, for whoever reads it to hear of it.
    if (bodies.some(({ length }, index) => length !== leaving[index]?.length)) return;
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

function isPlace(body: PlacedBody | Uint8Array): body is PlacedBody {
  return "segment" in body;
}

function isNext(before: Place, after: Place): boolean {
  return before.segment === after.segment && before.start + before.length === after.start;
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
