/**
 * Files beside a store file that bodies are appended to: numbered, each a few hundred bodies one after the
 * other. A body is written before the transaction that names its place, so whatever a row names is there; what
 * no row names is garbage and is never looked at. Nothing is written twice, and a segment goes when the last
 * of its bodies has gone. The file of one that went is written over by a later one: giving 64 MB back to the
 * system takes it 40 ms, and asking for them again takes it more.
 *
 * With sync "full" bodies are on the disk before `append` returns. With "normal" the system writes them when it
 * likes, and a segment that is full is synced on another thread: what is older than `syncedThrough` survives a
 * power cut, what is newer must be checked when the store is opened.
 */
import {
  closeSync,
  existsSync,
  fdatasync,
  fdatasyncSync,
  fstatSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  rm,
  rmSync,
  writevSync,
} from "node:fs";
import { basename, join } from "node:path";
import type { SyncMode } from "./commit-messages.ts";

/** Where a body lies. */
export type Place = { segment: number; start: number; length: number };

const SEGMENT_BYTES = 64 * 1024 * 1024;
const WASTED_SEGMENTS = 4;
const OPEN_FILES = 16;
const MOST_SPARES = 2;
const SUFFIX = ".bodies";
const SPARE_SUFFIX = ".spare";

type Segment = {
  number: number;
  /** Bytes written to it; those of earlier processes are as long as their bodies need. */
  end: number;
  /** Of bodies that are still needed. */
  live: { count: number; bytes: number };
  isSynced: boolean;
};

export class BodySegments implements Disposable {
  readonly #directory: string;
  readonly #sync: SyncMode;
  readonly #segmentBytes: number;
  #segments = new Map<number, Segment>();
  #current: Segment | undefined;
  #lastNumber = 0;
  #lastOfOthers = 0;
  #syncedThrough = 0;
  /** Files of segments that have gone, by the segments' numbers. */
  #spares: number[] = [];
  /** Descriptors by segment, the one used last at the end. */
  readonly #files = new Map<number, number>();

  /** `segmentBytes`: a new segment begins when one has grown to this. */
  constructor(directory: string, sync: SyncMode, segmentBytes = SEGMENT_BYTES) {
    this.#directory = directory;
    this.#sync = sync;
    this.#segmentBytes = segmentBytes;
  }

  /** All segments up to this one are on the disk as far as they are needed. */
  get syncedThrough(): number {
    return this.#syncedThrough;
  }

  /** Whether more than a few segments' worth of the files is bytes that nobody needs, and more than is needed. */
  get isWasteful(): boolean {
    const live = this.#sum(({ live: { bytes } }) => bytes);
    const wasted = this.#sum(({ end }) => end) - live;
    return wasted > WASTED_SEGMENTS * this.#segmentBytes && wasted > live;
  }

  /** Takes up what earlier processes left: keeps the segments that are named, deletes all others. */
  restore(places: readonly Place[], syncedThrough: number): void {
    for (const number of [...this.#files.keys()]) this.#close(number);
    this.#segments = new Map();
    this.#current = undefined;
    this.#syncedThrough = syncedThrough;
    for (const { segment: number, start, length } of places) {
      const segment = this.#segments.get(number) ?? newSegment(number, number <= syncedThrough);
      this.#segments.set(number, segment);
      segment.end = Math.max(segment.end, start + length);
      segment.live.count++;
      segment.live.bytes += length;
    }
    const found = this.#found();
    // Numbers are not used again: what is half written stays out of everybody's way.
    this.#lastNumber = Math.max(this.#lastNumber, syncedThrough, ...found, ...this.#segments.keys());
    this.#lastOfOthers = this.#lastNumber;
    for (const number of found) {
      const segment = this.#segments.get(number);
      if (segment === undefined) this.#delete(number);
      else if (!segment.isSynced) this.#syncLater(segment);
    }
    this.#removeSpares();
  }

  /** Writes bodies one after the other; when it throws, nothing of it counts. */
  append(bodies: readonly Uint8Array[]): Place[] {
    const places: Place[] = [];
    while (places.length < bodies.length) {
      const segment = this.#writable();
      const fitting = firstThatFit(bodies, places.length, this.#segmentBytes - segment.end);
      const file = this.#open(segment.number);
      writeAll(file, fitting, segment.end);
      if (this.#sync === "full") fdatasyncSync(file);
      for (const body of fitting) {
        places.push({ segment: segment.number, start: segment.end, length: body.length });
        segment.end += body.length;
        segment.live.count++;
        segment.live.bytes += body.length;
      }
    }
    return places;
  }

  /** Reads what is there of a place; how many bytes that are. */
  read({ segment, start, length }: Place, memory: Uint8Array): number {
    const file = this.#tryOpen(segment);
    return file === undefined ? 0 : readAll(file, memory.subarray(0, length), start);
  }

  /** Whether it was written since `restore`. */
  wasWrittenHere({ segment }: Place): boolean {
    return segment > this.#lastOfOthers;
  }

  /** Whether the segment's file is there. */
  exists({ segment }: Place): boolean {
    return this.#tryOpen(segment) !== undefined;
  }

  /** Whether the segment's file is long enough to have it. */
  holds({ segment, start, length }: Place): boolean {
    const file = this.#tryOpen(segment);
    return file !== undefined && start + length <= fstatSync(file).size;
  }

  /** These bodies are not needed any more; the last of a segment takes it along. */
  release(places: readonly Place[]): void {
    for (const { segment: number, length } of places) {
      const segment = this.#segments.get(number);
      if (segment === undefined) continue;
      segment.live.count--;
      segment.live.bytes -= length;
      if (segment.live.count === 0 && segment !== this.#current) this.#drop(segment);
    }
  }

  /** The full segment that holds the least that is needed. */
  sparsest(): number | undefined {
    const full = [...this.#segments.values()].filter((segment) => segment !== this.#current);
    return full.sort((a, b) => a.live.bytes - b.live.bytes)[0]?.number;
  }

  [Symbol.dispose](): void {
    for (const number of [...this.#files.keys()]) this.#close(number);
    this.#removeSpares();
  }

  /** The segment to append to. */
  #writable(): Segment {
    const current = this.#current;
    if (current !== undefined && current.end < this.#segmentBytes) return current;
    const segment = newSegment(this.#lastNumber + 1, false);
    const file = this.#newFile(segment.number);
    this.#lastNumber = segment.number;
    this.#remember(segment.number, file);
    const directory = openSync(this.#directory, "r");
    fsyncSync(directory);
    closeSync(directory);
    this.#segments.set(segment.number, segment);
    this.#current = segment;
    if (current !== undefined) this.#finish(current);
    return segment;
  }

  #newFile(number: number): number {
    const spare = this.#spares.pop();
    if (spare !== undefined) {
      renameSync(this.#pathOf(spare, SPARE_SUFFIX), this.#pathOf(number));
      return openSync(this.#pathOf(number), "r+");
    }
    mkdirSync(this.#directory, { recursive: true });
    return openSync(this.#pathOf(number), "wx+");
  }

  /** Sees that a full segment gets to the disk, unless nothing of it is needed. */
  #finish(segment: Segment): void {
    if (segment.live.count === 0) this.#drop(segment);
    else if (this.#sync === "full") this.#markSynced(segment);
    else this.#syncLater(segment);
  }

  #syncLater(segment: Segment): void {
    const file = openSync(this.#pathOf(segment.number), "r+");
    fdatasync(file, (error) => {
      closeSync(file);
      if (error === null) this.#markSynced(segment);
    });
  }

  #markSynced(segment: Segment): void {
    segment.isSynced = true;
    this.#advance();
  }

  #drop({ number }: Segment): void {
    this.#segments.delete(number);
    if (this.#spares.length < MOST_SPARES) {
      this.#close(number);
      renameSync(this.#pathOf(number), this.#pathOf(number, SPARE_SUFFIX));
      this.#spares.push(number);
    } else {
      this.#close(number);
      // On another thread. One that stays because this fails goes when the store is opened again.
      rm(this.#pathOf(number), { force: true }, () => undefined);
    }
    this.#advance();
  }

  #advance(): void {
    const open = [...this.#segments.values()].filter(({ isSynced }) => !isSynced);
    const firstOpen = Math.min(this.#lastNumber + 1, ...open.map(({ number }) => number));
    this.#syncedThrough = Math.max(this.#syncedThrough, firstOpen - 1);
  }

  /** undefined = the file is not there. */
  #tryOpen(number: number): number | undefined {
    try {
      return this.#open(number);
    } catch (error) {
      if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
      throw error;
    }
  }

  #open(number: number): number {
    const file = this.#files.get(number) ?? openSync(this.#pathOf(number), "r+");
    this.#remember(number, file);
    return file;
  }

  #remember(number: number, file: number): void {
    this.#files.delete(number);
    this.#files.set(number, file);
    for (const other of this.#files.keys()) {
      if (this.#files.size <= OPEN_FILES) return;
      this.#close(other);
    }
  }

  #close(number: number): void {
    const file = this.#files.get(number);
    this.#files.delete(number);
    if (file !== undefined) closeSync(file);
  }

  #delete(number: number): void {
    this.#close(number);
    rmSync(this.#pathOf(number), { force: true });
  }

  /** Those that an earlier process left, too. */
  #removeSpares(): void {
    for (const number of this.#found(SPARE_SUFFIX))
      rmSync(this.#pathOf(number, SPARE_SUFFIX), { force: true });
    this.#spares = [];
  }

  #found(suffix = SUFFIX): number[] {
    if (!existsSync(this.#directory)) return [];
    return readdirSync(this.#directory)
      .filter((name) => /^\d+$/.test(basename(name, suffix)))
      .map((name) => Number.parseInt(name, 10));
  }

  #pathOf(number: number, suffix = SUFFIX): string {
    return join(this.#directory, `${String(number).padStart(6, "0")}${suffix}`);
  }

  #sum(of: (segment: Segment) => number): number {
    let sum = 0;
    for (const segment of this.#segments.values()) sum += of(segment);
    return sum;
  }
}

function newSegment(number: number, isSynced: boolean): Segment {
  return { number, end: 0, live: { count: 0, bytes: 0 }, isSynced };
}

/** The bodies from this one on that have room; one at least. */
function firstThatFit(bodies: readonly Uint8Array[], from: number, room: number): readonly Uint8Array[] {
  let length = bodies[from]?.length ?? 0;
  let to = from + 1;
  for (let next = bodies[to]; next !== undefined && length + next.length <= room; next = bodies[to]) {
    length += next.length;
    to++;
  }
  return bodies.slice(from, to);
}

/** The system may write less than it was given. */
function writeAll(file: number, bodies: readonly Uint8Array[], start: number): void {
  let left = [...bodies];
  let at = start;
  while (left.length > 0) {
    let written = writevSync(file, left, at);
    at += written;
    left = left.flatMap((body) => {
      const done = Math.min(written, body.length);
      written -= done;
      return done === body.length ? [] : [body.subarray(done)];
    });
  }
}

/** How many bytes there were. */
function readAll(file: number, into: Uint8Array, start: number): number {
  let read = 0;
  while (read < into.length) {
    const more = readSync(file, into, read, into.length - read, start + read);
    if (more === 0) break;
    read += more;
  }
  return read;
}
