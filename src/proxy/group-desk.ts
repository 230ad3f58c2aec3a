/**
 * Turns rollouts that foreign agents played into scored groups, as environments make them of their own, and hands
 * them to a rollout API if there is one.
 */
import type { JsonObject } from "../contracts/chat.ts";
import { LachesisError } from "../contracts/errors.ts";
import type { ScoredGroup } from "../contracts/scored-group.ts";
import { untilAborted } from "../contracts/until-aborted.ts";
import { buildGroup } from "../env/build-group.ts";
import { judgeGroup } from "../env/group-rules.ts";
import { oldestVersion, rolloutSequences, type SequenceSettings } from "../env/rollout-sequences.ts";
import { RolloutServerSession } from "../env/rollout-server-session.ts";
import type { RolloutApiClient } from "../rollout-api/client.ts";
import type { EnvDescription } from "../rollout-api/client-schemas.ts";
import type { EventBus } from "../telemetry/events.ts";
import type { RolloutSegment } from "../tokens/rollout-segments.ts";

/** One scored rollout. */
export type DeskRollout = { segments: RolloutSegment[]; sampling: JsonObject | null; score: number };

export type GroupSettings = Omit<SequenceSettings, "maxSequences"> & { groupOverrides: JsonObject };

export type GroupReceipt = {
  group: ScoredGroup;
  /** Null without a rollout API. `buffered`: it waits there for others to complete a group size. */
  submitted: { buffered: boolean } | null;
  /** Segments that were left out because the rollout API takes no groups of that size. */
  leftOut: number;
};

export type RolloutApiOptions = { client: RolloutApiClient; description: EnvDescription; events: EventBus };

export class GroupDesk implements AsyncDisposable {
  readonly #api: RolloutApiOptions | null;
  readonly #closing = new AbortController();
  #joined: Promise<RolloutServerSession> | null = null;

  /** Null: groups are only built. The client stays the caller's. */
  constructor(api: RolloutApiOptions | null) {
    this.#api = api;
  }

  /**
   * Builds the group and submits it under its id, which counts once however often it is sent. Waits for a rollout
   * API that is away, and for its trainer. Throws GROUP_INVALID for a group that no trainer could use.
   */
  async take(
    rollouts: readonly DeskRollout[],
    { groupOverrides, ...settings }: GroupSettings,
    { groupId, signal }: { groupId: string; signal: AbortSignal },
  ): Promise<GroupReceipt> {
    const session = this.#api === null ? null : await untilAborted(this.#join(this.#api), signal);
    if (session !== null) await session.status(signal);
    const groupSize = this.#api?.description.group_size ?? rollouts.length;
    const maxSequences = session === null ? Number.POSITIVE_INFINITY : largestGroup(session, groupSize);
    const played = rollouts.map(({ segments, sampling, score }) => ({
      tokens: { segments, sampling },
      reward: score,
      result: { stop: segments.at(-1)?.finishReason === "length" ? "max-tokens" : "finished" } as const,
    }));
    const { sequences, leftOut } = rolloutSequences(played, { ...settings, maxSequences });
    const version = oldestVersion(played);
    const overrides = {
      ...(version !== null && { weight_version: version }),
      ...groupOverrides,
      ...(sequences.length !== groupSize && { group_size: sequences.length }),
    };
    const group = buildGroup(sequences, {
      ...(Object.keys(overrides).length > 0 && { groupOverrides: overrides }),
      ...(rollouts[0]?.sampling && { generationParams: rollouts[0].sampling }),
    });
    requireFit(group, session);
    if (this.#api === null || session === null) return { group, submitted: null, leftOut };
    const sent = { ...group, env_id: session.registration.env_id };
    const { buffered } = await this.#api.client.submitGroups([sent], { signal, groupIds: [groupId] });
    return { group: sent, submitted: { buffered: buffered > 0 }, leftOut };
  }

  /** One membership for all groups; a try that failed is followed by another. */
  async #join(api: RolloutApiOptions): Promise<RolloutServerSession> {
    this.#joined ??= RolloutServerSession.join(api, this.#closing.signal);
    try {
      return await this.#joined;
    } catch (thrown) {
      this.#joined = null;
      throw thrown;
    }
  }

  /** Signs off at the rollout API. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort(new DOMException("The proxy is stopping.", "AbortError"));
    const joined = await this.#joined?.catch(() => null);
    await joined?.[Symbol.asyncDispose]();
  }
}

function largestGroup({ registration, info }: RolloutServerSession, groupSize: number): number {
  return registration.takes_larger_groups ? info.batch_size : groupSize;
}

function requireFit(group: ScoredGroup, session: RolloutServerSession | null): void {
  const limit = session?.info.max_token_len ?? -1;
  const verdict = judgeGroup(group, {
    groupSize: group.tokens.length,
    ensureScoresAreNotSame: false,
    maxTokenLength: limit > 0 ? limit : Number.POSITIVE_INFINITY,
    maxSequences: group.tokens.length,
  });
  if (!verdict.fit)
    throw new LachesisError("GROUP_INVALID", `The group can't be trained on: ${verdict.detail}.`);
}
