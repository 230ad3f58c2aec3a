/**
 * Who may send to which server, and who waits. Every member has a number of slots per split; a caller takes
 * one slot of the least-loaded available member or queues. Invariants: queues are first come, first served;
 * whatever frees capacity (a release, a raised weight, a recovery) hands it to the queue at once; nobody
 * waits longer than `unavailableLimitMs` while no member is available at all, or at all after `hurry()`.
 */
import type { Split } from "../contracts/chat.ts";
import { longestTimerMs } from "../contracts/longest-timer.ts";

export type SlotMember = {
  readonly limits: Readonly<Record<Split, number>>;
  /** False while the member is set aside. Tell the pool by `membersChanged()`. */
  readonly available: boolean;
  /** Members with lower numbers are taken first; free slots decide among equals. */
  readonly rank: number;
};

export type Slot<Member> = {
  readonly member: Member;
  /** Gives the slot back; further calls do nothing. */
  release(): void;
};

export type AcquireOptions<Member> = {
  split: Split;
  signal: AbortSignal;
  /** Taken only when no other member has a free slot: those which just failed this very request. */
  avoid?: ReadonlySet<Member>;
  /** Taken before others of its rank while it has a free slot: it has this session's prefix in its cache. */
  prefer?: Member | undefined;
};

/** In its queue until it is granted a slot or fails; whichever comes first takes it out. */
type Waiter<Member> = AcquireOptions<Member> & {
  grant(slot: Slot<Member>): void;
  fail(reason: unknown): void;
  deadline: NodeJS.Timeout | undefined;
};

export type SlotPoolOptions<Member> = {
  members: readonly Member[];
  unavailableLimitMs: number;
  /** What a caller gets that waited too long for any member to become available. */
  unavailableError: () => Error;
  /** Called when a caller begins to wait because no member is available. */
  onUnavailable?: () => void;
};

export class SlotPool<Member extends SlotMember> {
  readonly #options: SlotPoolOptions<Member>;
  readonly #inFlight = new Map<Member, Record<Split, number>>();
  readonly #queues: Record<Split, Set<Waiter<Member>>> = { train: new Set(), eval: new Set() };
  #weight = 1;
  #hurried = false;
  #closedBy: { reason: unknown } | undefined;

  constructor(options: SlotPoolOptions<Member>) {
    this.#options = options;
    for (const member of options.members) this.#inFlight.set(member, { train: 0, eval: 0 });
  }

  /** Share of the train slots in use from now on: ceil(slots * weight) each, at least one. */
  setWeight(weight: number): void {
    this.#weight = weight;
    this.#dispatch("train");
  }

  inFlight(member: Member, split: Split): number {
    return this.#inFlight.get(member)?.[split] ?? 0;
  }

  waiting(split: Split): number {
    return this.#queues[split].size;
  }

  /** Availability or rank of a member changed. */
  membersChanged(): void {
    const anyAvailable = this.#anyAvailable();
    for (const split of ["train", "eval"] as const) {
      this.#dispatch(split);
      for (const waiter of this.#queues[split]) this.#setDeadline(waiter, anyAvailable);
    }
  }

  async acquire(options: AcquireOptions<Member>): Promise<Slot<Member>> {
    options.signal.throwIfAborted();
    if (this.#closedBy) throw this.#closedBy.reason;
    // Nobody is overtaken: while a queue has somebody in it, no slot is free.
    const free = this.#bestMember(options);
    return free ? this.#take(free, options.split) : this.#wait(options, this.#queues[options.split]);
  }

  /** From now on nobody waits for a member to become available; a busy one is still waited for. */
  hurry(): void {
    this.#hurried = true;
    this.membersChanged();
  }

  /** Turns away everybody who waits, and everybody to come. */
  close(reason: unknown): void {
    this.#closedBy ??= { reason };
    for (const queue of Object.values(this.#queues)) for (const waiter of queue) waiter.fail(reason);
  }

  async #wait(options: AcquireOptions<Member>, queue: Set<Waiter<Member>>): Promise<Slot<Member>> {
    const { promise, resolve, reject } = Promise.withResolvers<Slot<Member>>();
    const fail = (reason: unknown) => {
      queue.delete(waiter);
      reject(reason);
    };
    const waiter: Waiter<Member> = { ...options, grant: resolve, fail, deadline: undefined };
    const onAbort = () => fail(options.signal.reason);
    options.signal.addEventListener("abort", onAbort, { once: true });
    queue.add(waiter);
    this.#setDeadline(waiter, this.#anyAvailable());
    try {
      return await promise;
    } finally {
      clearTimeout(waiter.deadline);
      options.signal.removeEventListener("abort", onAbort);
    }
  }

  /** Runs only while nothing is available; a busy pool may take as long as it takes. */
  #setDeadline(waiter: Waiter<Member>, anyAvailable: boolean): void {
    if (anyAvailable) {
      clearTimeout(waiter.deadline);
      waiter.deadline = undefined;
    } else if (this.#hurried) {
      waiter.fail(this.#options.unavailableError());
    } else if (!waiter.deadline) {
      const { unavailableError, unavailableLimitMs, onUnavailable } = this.#options;
      const limitMs = Math.min(unavailableLimitMs, longestTimerMs);
      waiter.deadline = setTimeout(() => waiter.fail(unavailableError()), limitMs);
      onUnavailable?.();
    }
  }

  #dispatch(split: Split): void {
    const queue = this.#queues[split];
    for (const waiter of queue) {
      const member = this.#bestMember(waiter);
      if (!member) return;
      queue.delete(waiter);
      waiter.grant(this.#take(member, split));
    }
  }

  #take(member: Member, split: Split): Slot<Member> {
    this.#count(member, split, 1);
    let held = true;
    const release = () => {
      if (!held) return;
      held = false;
      this.#count(member, split, -1);
      this.#dispatch(split);
    };
    return { member, release };
  }

  #count(member: Member, split: Split, change: 1 | -1): void {
    const counts = this.#inFlight.get(member);
    if (counts) counts[split] += change;
  }

  #bestMember({ split, avoid, prefer }: Omit<AcquireOptions<Member>, "signal">): Member | undefined {
    let best: (Candidate & { member: Member }) | undefined;
    for (const member of this.#options.members) {
      const free = this.#limit(member, split) - this.inFlight(member, split);
      if (!member.available || free <= 0) continue;
      const avoided = avoid?.has(member) ?? false;
      const candidate = { member, avoided, preferred: member === prefer, free };
      if (!best || isBetter(candidate, best)) best = candidate;
    }
    return best?.member;
  }

  #limit(member: Member, split: Split): number {
    const slots = member.limits[split];
    if (split === "eval") return slots;
    // 100 * 0.07 is a hair above 7, and is not meant to be 8.
    return Math.max(1, Math.ceil(slots * this.#weight - 1e-9));
  }

  #anyAvailable(): boolean {
    return this.#options.members.some((member) => member.available);
  }
}

type Candidate = { member: SlotMember; avoided: boolean; preferred: boolean; free: number };

/** Strictly better: at a tie the earlier member stays. */
function isBetter(candidate: Candidate, best: Candidate): boolean {
  if (candidate.avoided !== best.avoided) return best.avoided;
  if (candidate.member.rank !== best.member.rank) return candidate.member.rank < best.member.rank;
  if (candidate.preferred !== best.preferred) return candidate.preferred;
  return candidate.free > best.free;
}
