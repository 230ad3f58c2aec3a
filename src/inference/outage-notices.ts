/** Says once that no inference server answers, and once that one does again. */
import type { Logger } from "pino";

export type OutageNotice = { level: "warn" | "info"; message: string };

export type OutageNoticesOptions = {
  urls: string;
  unavailableLimitSeconds: number;
  logger: Logger;
  onNotice: ((notice: OutageNotice) => void) | undefined;
};

export class OutageNotices {
  readonly #options: OutageNoticesOptions;
  #noticed = false;

  constructor(options: OutageNoticesOptions) {
    this.#options = options;
  }

  begin(): void {
    if (this.#noticed) return;
    this.#noticed = true;
    const { urls, unavailableLimitSeconds, logger, onNotice } = this.#options;
    const message = `No inference server answers (${urls}); requests wait up to ${unavailableLimitSeconds} s for one.`;
    logger.warn({ event: "inference-outage" }, message);
    onNotice?.({ level: "warn", message });
  }

  end(): void {
    if (!this.#noticed) return;
    this.#noticed = false;
    this.#options.onNotice?.({ level: "info", message: "An inference server answers again." });
  }
}
