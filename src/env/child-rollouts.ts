/**
 * Child rollouts: tasks that a rollout gives away by `delegate_task`. Each is an agent loop of its own over an
 * inference session of its own, with a shell, Python, processes and todo list of its own, on the parent's sandbox. It
 * ends with the parent's signal and deadline.
 *
 * What a child sampled belongs to its parent: its segments stand in the parent's tokens, before the parent's own, and
 * get the parent's score. A failure of the machinery in a child is one of the parent.
 */
import type { AgentResult } from "../agent/agent-result.ts";
import { HermesAgentLoop } from "../agent/hermes-agent-loop.ts";
import type { ChatServer } from "../contracts/chat.ts";
import { LachesisError } from "../contracts/errors.ts";
import type { ChildResult, ChildRollouts, ChildTask, RolloutContext } from "../contracts/rollout-context.ts";
import { deriveSeed } from "./derive-seed.ts";
import { EnvRolloutContext } from "./rollout-context.ts";
import type { RolloutSession } from "./rollout-tokens.ts";
import type { RolloutRun } from "./run-rollout.ts";

/** A rollout's children, and theirs. */
const deepest = 2;
/** Children of one rollout in all, those of its children included. */
const mostChildren = 24;

/** Of a rollout's run, what its children need. */
export type FamilyRun = Pick<RolloutRun, "services" | "loop" | "split" | "contextLength">;

/** `parentCall`: the rollout's own model call, from 0, whose turn gave the task away. */
type ChildSession = { session: RolloutSession; parentCall: number };

/** What all children of one rollout share. */
export class Family {
  readonly run: FamilyRun;
  /** Tells the inference server's failures from a sandbox's, as for the parent. */
  readonly traced: (server: ChatServer) => ChatServer;
  readonly #sessions: ChildSession[] = [];
  readonly #parentTurns: () => number;
  #born = 0;

  /** `parentTurns`: model calls that the rollout itself got answered so far. */
  constructor(run: FamilyRun, traced: (server: ChatServer) => ChatServer, parentTurns: () => number) {
    this.run = run;
    this.traced = traced;
    this.#parentTurns = parentTurns;
  }

  get left(): number {
    return mostChildren - this.#born;
  }

  /** The sessions of all children, in the order in which they began. */
  get sessions(): readonly ChildSession[] {
    return this.#sessions;
  }

  /** For the rollout itself, at depth 0, or a child. */
  childrenOf(context: RolloutContext, depth = 0): ChildRollouts | null {
    return depth >= deepest ? null : new FamilyBranch(this, context, depth);
  }

  /** What a child talks to. */
  openSession(sessionId: string): ChatServer {
    const { services, contextLength } = this.run;
    const session = services.servers.openSession?.({ sessionId, contextLength });
    const parentCall = Math.max(0, this.#parentTurns() - 1);
    if (session !== undefined) this.#sessions.push({ session, parentCall });
    return this.traced(session ?? services.servers);
  }

  countChild(): void {
    if (this.left <= 0)
      throw new LachesisError("INTERNAL", `A rollout has ${mostChildren} children at most.`);
    this.#born += 1;
  }
}

class FamilyBranch implements ChildRollouts {
  readonly #family: Family;
  readonly #parent: RolloutContext;
  readonly #depth: number;
  #born = 0;

  constructor(family: Family, parent: RolloutContext, depth: number) {
    this.#family = family;
    this.#parent = parent;
    this.#depth = depth;
  }

  get left(): number {
    return this.#family.left;
  }

  async play({ messages, tools, maxTurns }: ChildTask): Promise<ChildResult> {
    const parent = this.#parent;
    const { run } = this.#family;
    parent.signal.throwIfAborted();
    this.#family.countChild();
    this.#born += 1;
    const number = this.#born;
    const rolloutId = `${parent.rolloutId}.d${number}`;
    const depth = this.#depth + 1;
    const ownTools = depth < deepest ? tools : tools.filter(({ name }) => name !== "delegate_task");
    await using context = new EnvRolloutContext({
      rolloutId,
      groupId: parent.groupId,
      seed: deriveSeed(parent.seed, "child", number),
      deadlineMs: parent.deadlineMs,
      signal: parent.signal,
      logger: run.services.logger,
      limits: parent.limits,
      tools: ownTools,
      children: (child) => this.#family.childrenOf(child, depth),
      backend: parent,
    });
    const loop = new HermesAgentLoop({
      ...run.loop,
      maxTurns: Math.min(maxTurns, run.loop.maxTurns),
      tools: ownTools,
      server: this.#family.openSession(rolloutId),
      split: run.split,
      events: run.services.events,
    });
    return childResult(await loop.run(messages, context));
  }
}

function childResult({ stop, messages, turnsUsed, usage, toolErrors }: AgentResult): ChildResult {
  return { stop, messages, turnsUsed, usage, toolErrors };
}
