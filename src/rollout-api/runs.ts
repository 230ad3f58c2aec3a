/**
 * Several runs on one server: `/runs/NAME/...` has the endpoints of the bare paths, over a state of its own.
 * The bare paths are the run `default`.
 *
 * A run is made by its trainer's POST /register. Before that it answers as a server does before a trainer
 * registered, so that environments may start first and wait; only groups are refused, because a misspelt name
 * would swallow them.
 */
import { type Answer, detailAnswer, jsonAnswer } from "./answer.ts";
import type { Endpoint } from "./endpoint.ts";
import type { GroupStore, GroupStores } from "./group-store.ts";
import { MemoryStore } from "./memory-store.ts";

export const DEFAULT_RUN = "default";
/** What a run's name looks like: fit for paths, logs and metric labels. */
const RUN_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
/** Each run costs memory for good; whoever needs more has another problem. */
const MOST_RUNS = 1000;

export type RunLookup = { ok: true; store: GroupStore } | { ok: false; answer: Answer };

export class Runs {
  readonly #stores: GroupStores;
  /** How a run answers that nobody has opened. Nothing that could change it is ever asked of it. */
  readonly #closed: GroupStore = new MemoryStore();

  constructor(stores: GroupStores) {
    this.#stores = stores;
  }

  /** The store that a request to this run works on. */
  async find(name: string, onUnknownRun: Endpoint["onUnknownRun"]): Promise<RunLookup> {
    const names = this.#stores.names();
    if (name === DEFAULT_RUN || names.includes(name)) {
      return { ok: true, store: await this.#stores.run(name) };
    }
    if (!RUN_NAME.test(name)) {
      const detail =
        "A run's name has up to 64 letters, digits, '.', '_' and '-', and begins with none of the last three";
      return { ok: false, answer: detailAnswer(404, detail) };
    }
    switch (onUnknownRun) {
      case "answer-as-closed":
        return { ok: true, store: this.#closed };
      case "refuse":
        return {
          ok: false,
          answer: detailAnswer(
            404,
            `There is no run ${name}: its trainer makes it with POST /runs/${name}/register`,
          ),
        };
      case "make":
        if (names.length >= MOST_RUNS) {
          return { ok: false, answer: detailAnswer(409, `This server has ${MOST_RUNS} runs already`) };
        }
        return { ok: true, store: await this.#stores.run(name) };
      default:
        return onUnknownRun satisfies never;
    }
  }

  /** GET /runs. */
  async list(): Promise<Answer> {
    const names = [...new Set([DEFAULT_RUN, ...this.#stores.names()])];
    const runs = await Promise.all(
      names.map(async (name) => {
        const store = await this.#stores.run(name);
        const { registered, started, currentStep, batchSize, queuedGroups, envs } = await store.overview();
        const connected = envs.filter((env) => env.connected).length;
        return {
          name,
          registered,
          started,
          current_step: currentStep,
          batch_size: batchSize,
          queue_size: queuedGroups,
          connected_envs: connected,
        };
      }),
    );
    return jsonAnswer(JSON.stringify({ runs }));
  }
}
