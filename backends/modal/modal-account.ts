/**
 * One connection to Modal: the App that owns the sandboxes, images and secrets looked up once for all rollouts.
 * The SDK is loaded by the first who needs it. A lookup that failed is made again by the next who asks.
 */
import type { App, Image, Logger, ModalClient, Sandbox, Secret } from "modal";
import { LachesisError } from "../../src/contracts/errors.ts";
import type { OnNotice } from "../backend-context.ts";
import type { ModalConfig } from "./modal-config.ts";
import { credentialsHint, modalFailure } from "./modal-failure.ts";
import type { SandboxPlan } from "./sandbox-plan.ts";

export class ModalAccount {
  readonly app: App;
  readonly #client: ModalClient;
  readonly #images = new Map<string, Promise<Image>>();
  readonly #secrets = new Map<string, Promise<Secret>>();

  private constructor(client: ModalClient, app: App) {
    this.#client = client;
    this.app = app;
  }

  /** Rejects with SANDBOX_UNAVAILABLE where credentials are missing or refused. */
  static async open(config: ModalConfig, onNotice: OnNotice): Promise<ModalAccount> {
    const { app_name: appName, environment, token_id: tokenId, token_secret: tokenSecret } = config;
    try {
      const modal = await import("modal");
      const client = new modal.ModalClient({
        ...(tokenId === undefined ? {} : { tokenId }),
        ...(tokenSecret === undefined ? {} : { tokenSecret }),
        ...(environment === undefined ? {} : { environment }),
        logger: loggerFor(onNotice),
      });
      const { profile } = client;
      if (!(profile.tokenId && profile.tokenSecret) && !profile.oauthRefreshToken) {
        throw new LachesisError("SANDBOX_UNAVAILABLE", "There are no credentials for Modal.", {
          hint: credentialsHint,
        });
      }
      return new ModalAccount(client, await client.apps.fromName(appName, { createIfMissing: true }));
    } catch (error) {
      throw modalFailure(error, `open the App "${appName}"`);
    }
  }

  /** The image, built where Modal does not have it yet (minutes, once). */
  image(reference: string, registrySecretName: string | undefined): Promise<Image> {
    return lookedUp(this.#images, `${reference} ${registrySecretName ?? ""}`, async () => {
      try {
        if (reference.startsWith("im-")) return await this.#client.images.fromId(reference);
        const secret = registrySecretName === undefined ? undefined : await this.#secret(registrySecretName);
        return await this.#client.images.fromRegistry(reference, secret).build(this.app);
      } catch (error) {
        throw modalFailure(error, `get the image "${reference}"`);
      }
    });
  }

  /** The call cannot be taken back once it is made: the caller terminates what comes of it. */
  async createSandbox(plan: SandboxPlan, image: Image, tags: Record<string, string>): Promise<Sandbox> {
    try {
      const secrets = await Promise.all(plan.secretNames.map((name) => this.#secret(name)));
      return await this.#client.sandboxes.create(this.app, image, { ...plan.parameters, secrets, tags });
    } catch (error) {
      throw modalFailure(error, "make a sandbox");
    }
  }

  /** The App's running sandboxes that have these tags. */
  listSandboxes(tags: Record<string, string>): AsyncIterable<Sandbox> {
    return this.#client.sandboxes.list({ appId: this.app.appId, tags });
  }

  close(): void {
    this.#client.close();
  }

  #secret(name: string): Promise<Secret> {
    return lookedUp(this.#secrets, name, async () => {
      try {
        return await this.#client.secrets.fromName(name);
      } catch (error) {
        throw modalFailure(error, `find the Secret "${name}"`);
      }
    });
  }
}

/** What the SDK warns of (its server's warnings, too), in place of its writing to the console. */
function loggerFor(onNotice: OnNotice): Logger {
  const tell = (level: "warn" | "error") => (message: string) => {
    // Said of every connection to a server on loopback, which only tests have.
    if (!message.startsWith("Using insecure TLS")) onNotice({ level, message: `Modal: ${message}` });
  };
  return { debug() {}, info() {}, warn: tell("warn"), error: tell("error") };
}

function lookedUp<T>(known: Map<string, Promise<T>>, key: string, look: () => Promise<T>): Promise<T> {
  const found = known.get(key);
  if (found !== undefined) return found;
  const looking = look();
  known.set(key, looking);
  looking.catch(() => known.delete(key));
  return looking;
}
