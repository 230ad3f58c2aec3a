/** Requests by route, and what was refused why. */
import { Counter, Histogram, type Registry } from "prom-client";

const LATENCY_SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10];

/** Why a request was refused. */
const REASONS: Readonly<Record<number, string>> = {
  400: "unreadable",
  401: "unauthorized",
  403: "forbidden",
  404: "unknown",
  413: "too_large",
  422: "invalid",
  429: "queue_full",
  500: "failed",
  503: "queue_full",
};

export type FinishedRequest = {
  method: string;
  /** The route's pattern, never the path that was asked for; "unknown" where no route matched. */
  route: string;
  status: number;
  seconds: number;
};

export class RequestMetrics {
  readonly #latency: Histogram<"method" | "route" | "status">;
  readonly #rejects: Counter<"route" | "reason">;

  constructor({ registry }: { registry: Registry }) {
    this.#latency = new Histogram({
      name: "lachesis_request_seconds",
      help: "Time from a request's first byte to its answer's last",
      labelNames: ["method", "route", "status"],
      buckets: LATENCY_SECONDS,
      registers: [registry],
    });
    this.#rejects = new Counter({
      name: "lachesis_rejects_total",
      help: "Requests that were refused, by reason",
      labelNames: ["route", "reason"],
      registers: [registry],
    });
  }

  /** Returns why the request was refused; undefined = it wasn't. */
  add({ method, route, status, seconds }: FinishedRequest): string | undefined {
    this.#latency.observe({ method, route, status: `${Math.floor(status / 100)}xx` }, seconds);
    if (status < 400) return undefined;
    const reason = REASONS[status] ?? "other";
    this.#rejects.inc({ route, reason });
    return reason;
  }
}
