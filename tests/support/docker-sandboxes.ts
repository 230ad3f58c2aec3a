/** What the tests of the docker backend need to know of this machine. */
import { spawnSync } from "node:child_process";
import { expect } from "vitest";
import { ownerMark } from "../../backends/owner-mark.ts";
import type { Sandbox } from "../../src/contracts/sandbox.ts";

/** A Debian with Perl and python3 and nothing else; `scripts/ci/docker.sh` makes it. */
export const dockerTestImage = "lachesis-test:python";

/** Runs the docker program; throws with what it said when it fails. */
export function docker(...words: string[]): string {
  const { status, stdout, stderr, error } = spawnSync("docker", words, { encoding: "utf8" });
  if (status === 0) return stdout.trim();
  throw new Error(`docker ${words.join(" ")}: ${error?.message ?? stderr.trim()}`);
}

/** Why containers cannot be tested here; undefined when they can. */
export const dockerSkipReason: string | undefined = (() => {
  const isWorking = (...words: string[]) => spawnSync("docker", words).status === 0;
  if (spawnSync("docker", ["--version"]).error !== undefined) return "docker is not installed";
  if (!isWorking("info")) return "no Docker daemon answers";
  if (!isWorking("image", "inspect", dockerTestImage))
    return `there is no image ${dockerTestImage} (scripts/ci/docker.sh makes it)`;
  return undefined;
})();

/** Ids of the containers with this label, running or not. */
export function containersWith(label: string): string[] {
  return docker("ps", "--all", "--quiet", "--no-trunc", "--filter", `label=${label}`)
    .split("\n")
    .filter(Boolean);
}

/** The sandbox's container. */
export function containerOf(sandbox: Sandbox): string {
  const [id] = containersWith(`lachesis.sandbox=${sandbox.id}`);
  if (id === undefined) throw new Error(`no container of ${sandbox.id}`);
  return id;
}

/** No container that this test process has made. */
export async function expectNoContainerLeft(): Promise<void> {
  expect(containersWith(`lachesis.owner=${await ownerMark()}`)).toEqual([]);
}
