/**
 * This environment's membership in a training run at the rollout server. A server that is away is waited
 * for; one that came back without its memory is joined again. People hear of each once.
 */
import { LachesisError } from "../contracts/errors.ts";
import type { RolloutApiClient } from "../rollout-api/client.ts";
import type { EnvDescription, EnvRegistration, EnvStatus, RunInfo } from "../rollout-api/client-schemas.ts";
import type { EventBus } from "../telemetry/events.ts";

export type SessionOptions = {
  client: RolloutApiClient;
  description: EnvDescription;
  events: EventBus;
};

/** Registrations that take longer than this are worth telling. */
const PATIENCE_MS = 1_000;
const DISCONNECT_TIMEOUT_MS = 3_000;

export class RolloutServerSession implements AsyncDisposable {
  readonly #options: SessionOptions;
  #registration: EnvRegistration;
  #info: RunInfo;

  private constructor(options: SessionOptions, joined: { registration: EnvRegistration; info: RunInfo }) {
    this.#options = options;
    this.#registration = joined.registration;
    this.#info = joined.info;
  }

  /** Waits for the server and for its trainer as long as it takes. */
  static async join(options: SessionOptions, signal: AbortSignal): Promise<RolloutServerSession> {
    return new RolloutServerSession(options, await register(options, signal));
  }

  get registration(): EnvRegistration {
    return this.#registration;
  }

  get info(): RunInfo {
    return this.#info;
  }

  /** The server's state; waits out an outage. Rejects with the signal's reason, or when the server is none. */
  async status(signal: AbortSignal): Promise<EnvStatus> {
    const { client, events } = this.#options;
    try {
      return await client.statusEnv(this.#registration.env_id, { signal, attempts: 1 });
    } catch (error) {
      if (!isCode(error, "ROLLOUT_API_UNREACHABLE", "ROLLOUT_API_REJECTED")) throw error;
      if (error.code === "ROLLOUT_API_UNREACHABLE") {
        const message = `The rollout server does not answer (${error.message}). Waiting for it; no group is lost.`;
        events.emit("notice", { level: "warn", code: error.code, message });
        // Any answer proves that the server is back; an original Atropos answers 500 for an id it forgot.
        await client.wandbInfo({ signal });
        events.emit("notice", { level: "info", message: "The rollout server answers again." });
      }
    }
    try {
      return await client.statusEnv(this.#registration.env_id, { signal, attempts: 2 });
    } catch (error) {
      if (!isCode(error, "ROLLOUT_API_UNREACHABLE", "ROLLOUT_API_REJECTED")) throw error;
      events.emit("notice", {
        level: "warn",
        code: error.code,
        message: "The rollout server no longer knows this environment: registering again.",
      });
    }
    const { registration, info } = await register(this.#options, signal);
    this.#registration = registration;
    this.#info = info;
    return client.statusEnv(registration.env_id, { signal });
  }

  /** Leaves the run, so that no batch waits for this environment. A server that is away is left alone. */
  async [Symbol.asyncDispose](): Promise<void> {
    const signal = AbortSignal.timeout(DISCONNECT_TIMEOUT_MS);
    try {
      await this.#options.client.disconnectEnv(this.#registration.env_id, { signal, attempts: 2 });
    } catch (error) {
      const message = `Could not sign off at the rollout server: ${error instanceof Error ? error.message : error}`;
      this.#options.events.emit("notice", { level: "warn", message });
    }
  }
}

async function register({ client, description, events }: SessionOptions, signal: AbortSignal) {
  const patience = setTimeout(() => {
    events.emit("notice", { level: "info", message: `Waiting for a trainer at ${client.url}` });
  }, PATIENCE_MS);
  try {
    const registration = await client.registerEnv(description, { signal });
    const info = await client.info({ signal });
    if (info.batch_size >= 1 && description.group_size > info.batch_size) {
      await client.disconnectEnv(registration.env_id, { signal });
      throw new LachesisError(
        "CONFIG_INVALID",
        `env.group_size: a group of ${description.group_size} never fits into the trainer's batches of ${info.batch_size}.`,
        { hint: "Lower env.group_size, or raise the trainer's batch size." },
      );
    }
    return { registration, info };
  } finally {
    clearTimeout(patience);
  }
}

function isCode(error: unknown, ...codes: readonly LachesisError["code"][]): error is LachesisError {
  return error instanceof LachesisError && codes.includes(error.code);
}
