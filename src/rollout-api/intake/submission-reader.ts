/**
 * From a submission's bytes to groups that are ready to be stored, or to the answer that says what is wrong
 * with it. Synchronous: a large submission keeps its thread busy for as long as it takes (intake-pool.ts).
 */
import { hash } from "node:crypto";
import type { EncodedGroup } from "../group-fields.ts";
import { GroupReader } from "../group-reader.ts";
import { GroupScanner } from "../group-scanner.ts";
import { claimedBytes, type Inflated, inflateNow } from "../inflate.ts";
import { GroupKernel } from "../kernel/group-kernel.ts";
import { type BodyReading, readBytes } from "../request-body.ts";

/** One request's body and how it is meant. */
export type Submission = {
  /** The body in its pieces. */
  chunks: readonly Buffer[];
  isZipped: boolean;
  isJson: boolean;
  /** A list of groups, or one group. */
  isList: boolean;
  /** The name that the request has for its groups where they have none of their own. */
  key: string | undefined;
};

export type SubmissionReading = BodyReading<EncodedGroup[]>;

export type ReaderOptions = {
  /** See GroupReader; names of groups are read too. */
  strict: boolean;
  /** Largest submission after inflating, bytes. */
  maxInflatedBytes: number;
};

/** Longer names are kept as their digests: a store remembers many. */
const LONGEST_NAME = 128;

const SCRATCH_KEPT_BYTES = 64 * 1024 * 1024;

/** Owns scratch memory: make one and keep it. */
export class SubmissionReader {
  readonly #options: ReaderOptions;
  readonly #kernel = new GroupKernel();
  readonly #scanner: GroupScanner;
  readonly #reader: GroupReader;
  #scratch = Buffer.alloc(0);

  constructor(options: ReaderOptions) {
    this.#options = options;
    this.#scanner = new GroupScanner({ ...options, kernel: this.#kernel });
    this.#reader = new GroupReader(options);
  }

  read(submission: Submission): SubmissionReading {
    const { strict, maxInflatedBytes } = this.#options;
    const { isZipped, isJson, isList } = submission;
    const bytes = this.#join(submission.chunks, isZipped);
    const inflated = isZipped ? this.#inflate(bytes, maxInflatedBytes) : { ok: true as const, bytes };
    if (!inflated.ok) return inflated;
    const reading = isList ? this.#readList(inflated.bytes, isJson) : this.#readOne(inflated.bytes, isJson);
    if (!reading.ok || !strict) return reading;
    const { key } = submission;
    const groups = reading.model.map((group, index) =>
      identified(group, key !== undefined && isList ? `${key}[${index}]` : key),
    );
    return { ok: true, model: groups };
  }

  #inflate(zipped: Buffer, maxBytes: number): Inflated {
    const claimed = claimedBytes(zipped);
    const bytes =
      claimed === undefined || claimed > maxBytes ? undefined : this.#kernel.inflate(zipped, claimed);
    return bytes === undefined ? inflateNow(zipped, maxBytes) : { ok: true, bytes };
  }

  /** The pieces side by side, until the next submission; where the kernel wants them if they are not zipped. */
  #join(chunks: readonly Buffer[], isZipped: boolean): Buffer {
    const [first] = chunks;
    if (first !== undefined && chunks.length === 1) return first;
    const length = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
    const room = isZipped ? undefined : this.#kernel.room(length);
    if (room !== undefined) {
      let at = 0;
      for (const chunk of chunks) at += chunk.copy(room, at);
      return room;
    }
    if (length > SCRATCH_KEPT_BYTES) return Buffer.concat(chunks, length);
    if (length > this.#scratch.length) this.#scratch = Buffer.allocUnsafeSlow(length * 2);
    let to = 0;
    for (const chunk of chunks) to += chunk.copy(this.#scratch, to);
    return this.#scratch.subarray(0, length);
  }

  #readList(bytes: Buffer, isJson: boolean): SubmissionReading {
    return readBytes<EncodedGroup[]>(bytes, isJson, this.#reader.readGroups, (text) =>
      this.#scanner.scanGroups(text),
    );
  }

  #readOne(bytes: Buffer, isJson: boolean): SubmissionReading {
    const reading = readBytes(bytes, isJson, this.#reader.readGroup, (text) => this.#scanner.scanGroup(text));
    return reading.ok ? { ok: true, model: [reading.model] } : reading;
  }
}

/**
 * The group with the name under which a store knows it again: the sender's name for it, and what it holds. A
 * retry has both in common; another group under a name that its sender uses twice is not mistaken for one.
 */
function identified(group: EncodedGroup, key: string | undefined): EncodedGroup {
  const name = group.groupId ?? key;
  if (name === undefined) return group;
  const short = name.length <= LONGEST_NAME ? name : hash("sha1", name, "base64url");
  return { ...group, groupId: `${short} ${hash("sha1", group.body, "base64url")}` };
}
