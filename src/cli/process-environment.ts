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
  /** HF_ENDPOINT: another hub than the public one, to push datasets to. */
  hubUrl?: string | undefined;
  /** Downloads that later runs may reuse: LACHESIS_CACHE, else `lachesis` under XDG_CACHE_HOME or ~/.cache. */
  cacheDirectory: string;
  /** Credentials of sandbox services, under the names of the keys that they stand in for. */
  sandboxSecrets: Readonly<Record<string, string | undefined>>;
  /** Keys and addresses of services that tools use, under the names of the keys that they stand in for. */
  toolSettings: Readonly<Record<string, string | undefined>>;
  /** Keys of models besides the policy: JUDGE_API_KEY, TEACHER_API_KEY. */
  modelKeys?: { judge: string | undefined; teacher: string | undefined };
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
    hubUrl: read("HF_ENDPOINT"),
    cacheDirectory: read("LACHESIS_CACHE") ?? join(cacheHome, "lachesis"),
    sandboxSecrets: {
      docker_host: read("DOCKER_HOST"),
      docker_cert_path: read("DOCKER_CERT_PATH"),
      nomad_token: read("NOMAD_TOKEN"),
      daytona_api_key: read("DAYTONA_API_KEY"),
      modal_token_id: read("MODAL_TOKEN_ID"),
      modal_token_secret: read("MODAL_TOKEN_SECRET"),
      ssh_agent: read("SSH_AUTH_SOCK"),
    },
    toolSettings: {
      web_firecrawl_api_key: read("FIRECRAWL_API_KEY"),
      web_firecrawl_url: read("FIRECRAWL_API_URL"),
      web_searxng_url: read("SEARXNG_URL"),
      vision_api_key: read("VISION_API_KEY") ?? read("OPENAI_API_KEY"),
    },
    modelKeys: { judge: read("JUDGE_API_KEY"), teacher: read("TEACHER_API_KEY") },
    allowsColor: read("NO_COLOR") === undefined && read("TERM") !== "dumb",
  };
}
