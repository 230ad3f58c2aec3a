/**
 * The one place that reads environment variables. The rest of the CLI gets them as this plain record; the
 * engine never sees them.
 */
import { homedir } from "node:os";
import { join } from "node:path";

export type ProcessEnvironment = {
  /** OPENAI_API_KEY: key of servers whose `api_key` is not set. */
  openaiApiKey: string | undefined;
  /** LACHESIS_ROLLOUT_TOKEN: the rollout server's token when `env.rollout_server_token` is not set. */
  rolloutServerToken: string | undefined;
  /** HF_TOKEN: for private datasets and models. */
  hubToken: string | undefined;
  /** Downloads that later runs may reuse: LACHESIS_CACHE, else `lachesis` under XDG_CACHE_HOME or ~/.cache. */
  cacheDirectory: string;
  /** False when NO_COLOR is set or the terminal is dumb. */
  allowsColor: boolean;
};

export function readProcessEnvironment(environment: NodeJS.ProcessEnv = process.env): ProcessEnvironment {
  const read = (name: string) => environment[name] || undefined;
  const cacheHome = read("XDG_CACHE_HOME") ?? join(homedir(), ".cache");
  return {
    openaiApiKey: read("OPENAI_API_KEY"),
    rolloutServerToken: read("LACHESIS_ROLLOUT_TOKEN"),
    hubToken: read("HF_TOKEN"),
    cacheDirectory: read("LACHESIS_CACHE") ?? join(cacheHome, "lachesis"),
    allowsColor: read("NO_COLOR") === undefined && read("TERM") !== "dumb",
  };
}
