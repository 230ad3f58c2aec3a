import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createBackend } from "../../../backends/index.ts";
import { readTaskFolders } from "../../../environments/benchmarks/harbor/task-folder.ts";
import { HarborEnv, harborConfig } from "../../../environments/benchmarks/harbor.ts";
import { PolicyServer } from "../../../src/env/policies.ts";
import { validateEnvironment } from "../../../src/env/validate.ts";
import {
  docker,
  dockerSkipReason,
  dockerTestImage,
  expectNoContainerLeft,
} from "../../support/docker-sandboxes.ts";
import { testServices } from "../../support/env-services.ts";

const signal = new AbortController().signal;
const images = new Set<string>();
let root = "";

const test_sh = `#!/bin/bash
if python3 -I -S /tests/check.py; then echo 1 >/logs/verifier/reward.txt; else echo 0 >/logs/verifier/reward.txt; fi
`;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "lachesis-harbor-"));
  const files = {
    "built/environment/Dockerfile": `FROM ${dockerTestImage}\nWORKDIR /app/data\nCOPY numbers.txt numbers.txt\n`,
    "built/environment/numbers.txt": "3\n4\n5\n",
    "built/task.toml":
      "[environment]\nmemory_mb = 256\ncpus = 1\nallow_internet = false\n[verifier]\ntimeout_sec = 60",
    "built/instruction.md": "Write the sum of numbers.txt into /app/sum.txt.",
    "built/tests/test.sh": test_sh,
    "built/tests/check.py":
      "assert open('/app/sum.txt').read().strip() == '12' and open('/app/data/numbers.txt').read() == '3\\n4\\n5\\n'",
    "built/solution/solve.sh": "awk '{ sum += $1 } END { print sum }' numbers.txt >/app/sum.txt",
    "published/task.toml": `[environment]\ndocker_image = "${dockerTestImage}"\nworkdir = "/srv"\nallow_internet = false`,
    "published/instruction.md": "Make /srv/here.",
    "published/tests/test.sh": test_sh,
    "published/tests/check.py": "import os\nassert os.path.isfile('/srv/here')",
    "published/solution/solve.sh": "touch here",
  };
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(root, name)), { recursive: true });
    await writeFile(join(root, name), content);
  }
});

afterAll(async () => {
  for (const image of images) docker("image", "rm", "--force", image);
  await rm(root, { recursive: true, force: true });
});

describe.skipIf(dockerSkipReason !== undefined)(
  `in containers${dockerSkipReason ? ` (skipped: ${dockerSkipReason})` : ""}`,
  () => {
    test("images are built or taken; solutions get 1, nothing and cheats get 0", {
      timeout: 180_000,
    }, async () => {
      const server = new PolicyServer();
      const backend = createBackend("docker", { image: dockerTestImage, pull: "never" });
      await using services = await testServices((request) => server.chatCompletion(request));
      const env = new HarborEnv({
        services: { ...services, backend },
        config: harborConfig.parse({ ...HarborEnv.defaults.env, tasks_path: root }),
      });
      const report = await validateEnvironment({ env, server, items: 5, signal });
      images.add(env.sandboxSpec(await taskNamed(env, "built"))?.image ?? "");
      expect(report.policies.filter(({ passes }) => !passes)).toEqual([]);
      expect(report.items).toBe(2);
      await backend[Symbol.asyncDispose]();
      await expectNoContainerLeft();
    });

    test("a Dockerfile is built once for the same content, and says why it can't be built", {
      timeout: 120_000,
    }, async () => {
      await using backend = createBackend("docker", { image: dockerTestImage, pull: "never" });
      const directory = join(root, "built", "environment");
      const [first, second] = await Promise.all(
        [1, 2].map(() => backend.buildImage?.({ directory, signal })),
      );
      images.add(first ?? "");
      expect(first).toMatch(/^lachesis-task:[\da-f]{24}$/);
      expect(second).toBe(first);
      const broken = join(root, "broken");
      await mkdir(broken);
      await writeFile(join(broken, "Dockerfile"), `FROM ${dockerTestImage}\nRUN echo first words; exit 3\n`);
      await expect(backend.buildImage?.({ directory: broken, signal })).rejects.toMatchObject({
        code: "SANDBOX_IMAGE_UNAVAILABLE",
        message: expect.stringMatching(/non-zero code: 3|exit(?:ed)? (?:code|status)|first words/),
      });
    });
  },
);

async function taskNamed(env: HarborEnv, wanted: string) {
  await env.setup({ signal });
  return (await readTaskFolders(root)).find(({ name }) => name === wanted)!;
}
