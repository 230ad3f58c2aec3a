/** Keep-alive connections to one inference server. */
import { Agent } from "undici";

const connectTimeoutMs = 10_000;

/**
 * undici's own limits are off: a long generation sends no byte for minutes, and the server's `timeout` alone
 * rules. Whoever opens it destroys it.
 */
export function openConnectionPool(): Agent {
  return new Agent({ headersTimeout: 0, bodyTimeout: 0, connect: { timeout: connectTimeoutMs } });
}
