import { createRequire } from "node:module";
import { z } from "zod";

const packageFile = z.object({ version: z.string() });

/** The version in the package's own package.json, in a checkout as in an installed package. */
export function packageVersion(): string {
  return packageFile.parse(createRequire(import.meta.url)("lachesis/package.json")).version;
}
