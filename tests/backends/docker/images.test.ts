/** Images that are missing: a real daemon pulls them from a registry on loopback, or says why it can't. */
import { spawnSync } from "node:child_process";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Notice } from "../../../backends/backend-context.ts";
import { createBackend } from "../../../backends/index.ts";
import type { SandboxBackend } from "../../../src/contracts/sandbox.ts";
import { dockerSkipReason, expectNoContainerLeft } from "../../support/docker-sandboxes.ts";
import { ImageRegistry } from "../../support/image-registry.ts";
import { neverAborted as signal } from "../../support/sandbox-contract-context.ts";

describe.skipIf(dockerSkipReason !== undefined)(
  `missing images${dockerSkipReason === undefined ? "" : ` (skipped: ${dockerSkipReason})`}`,
  () => {
    let registry: ImageRegistry;
    let backend: SandboxBackend;
    const notices: Notice[] = [];

    beforeAll(async () => {
      registry = await ImageRegistry.open();
    });
    afterAll(async () => {
      await registry[Symbol.asyncDispose]();
    });
    beforeEach(() => {
      notices.length = 0;
      backend = createBackend("docker", {}, { onNotice: (notice) => notices.push(notice) });
    });
    afterEach(async () => {
      await backend[Symbol.asyncDispose]();
      await expectNoContainerLeft();
    });

    const create = (image: string, abort: AbortSignal = signal) =>
      backend.create({ rolloutId: "image", signal: abort, spec: { image } });

    test("an image is pulled once, however many wait for it, and people hear of it", async () => {
      const image = registry.image("wanted");
      try {
        // It has no shell, which is how each of them tells that the container was made of it.
        for (const result of await Promise.allSettled([create(image), create(image), create(image)]))
          expect(result).toMatchObject({ status: "rejected", reason: { code: "SANDBOX_UNAVAILABLE" } });
        expect(registry.log).toMatchObject({ manifests: 1, layers: 1 });
        expect(notices.map(({ message }) => message)).toEqual([
          `Docker pulls the image ${image} …`,
          expect.stringMatching(/^Docker pulled the image/),
        ]);
      } finally {
        spawnSync("docker", ["image", "rm", image]);
      }
    });

    test("an image that cannot be pulled is an error in the registry's words, not to be retried", async () => {
      const image = registry.image("missing");
      await expect(create(image)).rejects.toMatchObject({
        code: "SANDBOX_IMAGE_UNAVAILABLE",
        message: expect.stringMatching(new RegExp(`${image}.*manifest unknown`)),
        hint: expect.stringContaining("docker pull"),
        retryable: false,
      });
    });

    test("nothing is pulled where that is forbidden", async () => {
      await using strict = createBackend("docker", { pull: "never", image: registry.image("forbidden") });
      const before = registry.log.manifests;
      await expect(strict.create({ rolloutId: "never", signal })).rejects.toMatchObject({
        code: "SANDBOX_IMAGE_UNAVAILABLE",
      });
      expect(registry.log.manifests).toBe(before);
    });

    test("who no longer waits stops waiting; the pull ends with the last one", async () => {
      const image = registry.image("slow");
      const before = registry.log.layers;
      const [first, last] = [new AbortController(), new AbortController()];
      const reason = new Error("no longer wanted");
      const creations = [create(image, first.signal), create(image, last.signal)];
      const results = Promise.allSettled(creations);
      await expect.poll(() => registry.log.layers, { timeout: 20_000 }).toBeGreaterThan(before);
      first.abort(reason);
      await expect(creations[0]).rejects.toBe(reason);
      expect(registry.log.cutLayers).toBe(0);
      last.abort(reason);
      await expect(creations[1]).rejects.toBe(reason);
      await results;
      await expect.poll(() => registry.log.cutLayers, { timeout: 20_000 }).toBeGreaterThan(0);
    });

    test("closing the backend ends a pull", async () => {
      const creating = create(registry.image("slow"));
      const settled = creating.catch((error: unknown) => error);
      await expect.poll(() => notices.length, { timeout: 20_000 }).toBe(1);
      await backend[Symbol.asyncDispose]();
      expect(await settled).toMatchObject({ code: "SANDBOX_CLOSED" });
    });
  },
);
