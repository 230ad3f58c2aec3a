/**
 * Where a rollout's time went. At each moment all of it counts for one activity, so that the parts add up to the
 * rollout's length whatever ran at the same time: waiting for a sandbox before a model call, that before a tool call,
 * that before the reward; what is none of them is the rest.
 */

const activities = ["sandbox", "model", "tool", "reward"] as const;

export type Activity = (typeof activities)[number];

export type RolloutTimes = Readonly<Record<`${Activity | "other"}Ms`, number>>;

export class TimeSplit {
  readonly #clock: () => number;
  readonly #running: Record<Activity, number> = { sandbox: 0, model: 0, tool: 0, reward: 0 };
  readonly #spentMs: Record<Activity | "other", number> = {
    sandbox: 0,
    model: 0,
    tool: 0,
    reward: 0,
    other: 0,
  };
  #sinceMs: number;

  constructor({ clock = () => performance.now() }: { clock?: () => number } = {}) {
    this.#clock = clock;
    this.#sinceMs = clock();
  }

  /** Counts the time until the work has settled; passes on what came of it. */
  async during<Result>(activity: Activity, work: () => Promise<Result>): Promise<Result> {
    this.#settle();
    this.#running[activity] += 1;
    try {
      return await work();
    } finally {
      this.#settle();
      this.#running[activity] -= 1;
    }
  }

  /** The parts so far. */
  times(): RolloutTimes {
    this.#settle();
    const { sandbox, model, tool, reward, other } = this.#spentMs;
    return { sandboxMs: sandbox, modelMs: model, toolMs: tool, rewardMs: reward, otherMs: other };
  }

  #settle(): void {
    const now = this.#clock();
    const activity = activities.find((each) => this.#running[each] > 0) ?? "other";
    this.#spentMs[activity] += now - this.#sinceMs;
    this.#sinceMs = now;
  }
}
