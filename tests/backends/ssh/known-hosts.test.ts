import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { findHostKeys, fingerprint, keyType } from "../../../backends/ssh/known-hosts.ts";
import { TemporaryDirectory } from "../../support/temporary-directory.ts";

const key = "AAAAC3NzaC1lZDI1NTE5AAAAIEqSmk2QUSVcHcrYhk3Ttjw9rLrJ8nvXiOUaSlLKaGOc";

test.each([
  ["a name", `example.org ssh-ed25519 ${key}`, "example.org", 22, true],
  ["a name in capitals", `Example.org ssh-ed25519 ${key}`, "EXAMPLE.ORG", 22, true],
  ["one of several names", `a,example.org,b ssh-ed25519 ${key} comment`, "example.org", 22, true],
  ["another name", `example.org ssh-ed25519 ${key}`, "examplexorg", 22, false],
  ["a wildcard", `*.example.org ssh-ed25519 ${key}`, "a.example.org", 22, true],
  [
    "a wildcard with an exception",
    `*.example.org,!a.example.org ssh-ed25519 ${key}`,
    "a.example.org",
    22,
    false,
  ],
  ["another port", `example.org ssh-ed25519 ${key}`, "example.org", 2222, false],
  ["a port", `[example.org]:2222 ssh-ed25519 ${key}`, "example.org", 2222, true],
  ["a comment", `# example.org ssh-ed25519 ${key}`, "example.org", 22, false],
  ["a certificate authority", `@cert-authority example.org ssh-ed25519 ${key}`, "example.org", 22, false],
  ["half a line", "example.org ssh-ed25519", "example.org", 22, false],
])("%s in known_hosts", (_what, line, host, port, isKnown) => {
  expect(findHostKeys(`\n${line}\n`, host, port).trusted).toHaveLength(isKnown ? 1 : 0);
});

test("a revoked key is told apart", () => {
  const found = findHostKeys(`@revoked * ssh-ed25519 ${key}`, "example.org", 22);
  expect([found.trusted.length, found.revoked.length]).toEqual([0, 1]);
});

test.skipIf(!existsSync("/usr/bin/ssh-keygen"))(
  "names that ssh-keygen has hashed are found, and fingerprints are as it prints them",
  async () => {
    await using directory = await TemporaryDirectory.make();
    const file = join(directory.path, "known_hosts");
    writeFileSync(file, `example.org ssh-ed25519 ${key}\n[example.org]:2222 ssh-ed25519 ${key}\n`);
    const printed = execFileSync("ssh-keygen", ["-l", "-f", file], { encoding: "utf8" });
    execFileSync("ssh-keygen", ["-q", "-H", "-f", file], { stdio: "ignore" });
    const hashed = readFileSync(file, "utf8");
    expect(hashed).not.toContain("example.org");
    for (const port of [22, 2222]) {
      const [found] = findHostKeys(hashed, "example.org", port).trusted;
      expect(found && keyType(found.key)).toBe("ssh-ed25519");
      expect(found && printed.includes(fingerprint(found.key))).toBe(true);
    }
    expect(findHostKeys(hashed, "example.com", 22).trusted).toEqual([]);
  },
);
