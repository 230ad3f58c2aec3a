/**
 * Hands finished groups to the rollout server, once each and however long it takes: a server that was given a
 * group and died before it said so knows the group again by its name. What the server refuses,
 * or what an abort leaves unsent, goes to the dead-letter file: one group a line, as it would have been sent.
 */
import { randomUUID } from "node:crypto";
import type { Logger } from "pino";
import { toLachesisError } from "../contracts/errors.ts";
import type { ScoredGroup } from "../contracts/scored-group.ts";
import { GroupFile } from "../data/group-file.ts";
import type { RolloutApiClient } from "../rollout-api/client.ts";
import type { EventBus } from "../telemetry/events.ts";
import type { Delivery } from "./group-workers.ts";

export type OutboxOptions = {
  client: RolloutApiClient;
  /** The id to stamp on groups; it changes when the environment had to register again. */
  envId(): number;
  /** Gives up sending. */
  abort: AbortSignal;
  /** Where refused and unsent groups go; made when the first one comes. */
  deadLetterPath: string;
  /** Gets a copy of every group, sent or not; null = no copy. */
  copy: GroupFile | null;
  events: EventBus;
  logger: Logger;
};

export class Outbox implements AsyncDisposable {
  readonly #options: OutboxOptions;
  #deadLetters: Promise<GroupFile> | undefined;
  /** Sets this run's groups apart from another's: each counts its groups from 0. */
  readonly #runId = randomUUID();
  #sent = 0;

  constructor(options: OutboxOptions) {
    this.#options = options;
  }

  /** Groups that the server has taken. */
  get sent(): number {
    return this.#sent;
  }

  /** The dead-letter file and its groups; null = there are none. */
  async deadLetters(): Promise<{ path: string; groups: number } | null> {
    const file = await this.#deadLetters;
    return file === undefined ? null : { path: file.path, groups: file.groups };
  }

  /** Waits until the group is sent or written off. Rejects when a file can't be written. */
  async deliver(group: ScoredGroup, groupId: string): Promise<Delivery> {
    const { client, envId, abort, copy } = this.#options;
    const stamped = { ...group, env_id: envId() };
    const groupIds = [`${this.#runId}/${groupId}`];
    const delivery = await client.submitGroups([stamped], { signal: abort, groupIds }).then(
      (): Delivery => ({ result: "sent" }),
      (thrown: unknown) => this.#bury(stamped, groupId, thrown),
    );
    if (delivery.result === "sent") this.#sent += 1;
    await copy?.append(stamped);
    return delivery;
  }

  async #bury(group: ScoredGroup, groupId: string, thrown: unknown): Promise<Delivery> {
    const { abort, deadLetterPath, events, logger } = this.#options;
    this.#deadLetters ??= GroupFile.open(deadLetterPath);
    const file = await this.#deadLetters;
    await file.append(group);
    if (abort.aborted) return { result: "dropped", reason: "unsent at shutdown" };
    const error = toLachesisError(thrown, "INTERNAL", `sending group ${groupId}`);
    logger.error({ groupId, code: error.code, err: error }, "group-refused");
    const message = `The rollout server refused group ${groupId}: ${error.message}. It is kept in ${file.path}.`;
    events.emit("notice", { level: "error", code: error.code, message });
    return { result: "dropped", reason: "refused by the rollout server" };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const file = await this.#deadLetters?.catch(() => undefined);
    await file?.close();
  }
}
