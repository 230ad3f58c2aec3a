/**
 * Packages of tests/packages: too big to be everybody's dependency, installed by .ci/run. A test that needs one
 * takes `test.skipIf(missingPackage(name) !== null)`, and imports it with `importPackage`.
 */
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

export { importPackage } from "../packages/import-package.ts";

/** Why a test that needs the package can't run here; null when it can. */
export function missingPackage(name: string): string | null {
  if (existsSync(testPackageFolder(name))) return null;
  return `${name} isn't installed: npm ci --prefix tests/packages`;
}

export function testPackageFolder(name: string): string {
  return fileURLToPath(new URL(`../packages/node_modules/${name}`, import.meta.url));
}
