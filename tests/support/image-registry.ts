/**
 * A registry on loopback that a real Docker daemon pulls from (it trusts 127.0.0.0/8 without TLS): one image of one
 * layer, and the answers that registries give when there is nothing, or too much to do.
 */
import { createHash, randomBytes } from "node:crypto";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import tarStream from "tar-stream";

export type RegistryLog = { manifests: number; layers: number; cutLayers: number };

const types = {
  manifest: "application/vnd.docker.distribution.manifest.v2+json",
  config: "application/vnd.docker.container.image.v1+json",
  layer: "application/vnd.docker.image.rootfs.diff.tar.gzip",
};

export class ImageRegistry implements AsyncDisposable {
  readonly log: RegistryLog = { manifests: 0, layers: 0, cutLayers: 0 };
  readonly #blobs = new Map<string, Buffer>();
  readonly #server = createServer(
    (request, response) => void this.#answer(request.method ?? "", request.url ?? "", response),
  );
  #manifest = Buffer.alloc(0);

  /** The layer of the repository `slow` comes byte by byte; `missing` is not there; any other is the image. */
  static async open(): Promise<ImageRegistry> {
    const registry = new ImageRegistry();
    const pack = tarStream.pack();
    pack.entry({ name: "pulled" }, randomBytes(100_000));
    pack.finalize();
    const tar = await buffer(pack);
    const layer = registry.#add(gzipSync(tar));
    const config = registry.#add(
      Buffer.from(
        JSON.stringify({
          architecture: process.arch === "arm64" ? "arm64" : "amd64",
          os: "linux",
          config: {},
          rootfs: { type: "layers", diff_ids: [digest(tar)] },
          history: [{}],
        }),
      ),
    );
    const manifest = {
      schemaVersion: 2,
      mediaType: types.manifest,
      config: { mediaType: types.config, ...config },
      layers: [{ mediaType: types.layer, ...layer }],
    };
    registry.#manifest = Buffer.from(JSON.stringify(manifest));
    await new Promise<void>((resolve) => registry.#server.listen(0, "127.0.0.1", resolve));
    return registry;
  }

  /** `127.0.0.1:port/name`, for the daemon. */
  image(name: string): string {
    return `127.0.0.1:${this.#port}/${name}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  get #port(): number {
    const address: AddressInfo | string | null = this.#server.address();
    if (address === null || typeof address === "string") throw new Error("the registry is not open");
    return address.port;
  }

  #add(content: Buffer): { digest: string; size: number } {
    this.#blobs.set(digest(content), content);
    return { digest: digest(content), size: content.length };
  }

  async #answer(method: string, url: string, response: ServerResponse): Promise<void> {
    const [, repository, kind, reference] = /^\/v2\/(.+)\/(manifests|blobs)\/(.+)$/.exec(url) ?? [];
    response.setHeader("Docker-Distribution-Api-Version", "registry/2.0");
    if (url === "/v2/") response.end("{}");
    else if (kind === "manifests" && repository !== "missing") {
      if (method === "GET") this.log.manifests += 1;
      // Time for others to ask as well.
      await sleep(300);
      response.setHeader("Docker-Content-Digest", digest(this.#manifest));
      response
        .writeHead(200, { "Content-Type": types.manifest, "Content-Length": this.#manifest.length })
        .end(this.#manifest);
    } else if (kind === "blobs" && this.#blobs.has(reference ?? "")) {
      this.#sendBlob(repository ?? "", this.#blobs.get(reference ?? "") ?? Buffer.alloc(0), response);
    } else {
      const errors = [{ code: "MANIFEST_UNKNOWN", message: "manifest unknown to this registry" }];
      response.writeHead(404, { "Content-Type": "application/json" }).end(JSON.stringify({ errors }));
    }
  }

  #sendBlob(repository: string, blob: Buffer, response: ServerResponse): void {
    response.writeHead(200, { "Content-Length": blob.length });
    const isLayer = blob.readUInt8(0) !== "{".charCodeAt(0);
    if (!isLayer) return void response.end(blob);
    this.log.layers += 1;
    if (repository !== "slow") return void response.end(blob);
    // The daemon lets go of a layer only when something of it comes.
    let sentBytes = 0;
    const drip = setInterval(() => response.write(blob.subarray(sentBytes++, sentBytes)), 100);
    response.once("close", () => {
      clearInterval(drip);
      this.log.cutLayers += 1;
    });
  }
}

function digest(content: Buffer): string {
  return `sha256:${createHash("sha256").update(content).digest("hex")}`;
}
