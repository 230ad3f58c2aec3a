/** Reads a gzipped JSON fixture of tests/fixtures. */
import { readFile } from "node:fs/promises";
import { gunzipSync } from "node:zlib";

export async function readGzipFixture(path: string): Promise<unknown> {
  const bytes = await readFile(new URL(`../fixtures/${path}`, import.meta.url));
  return JSON.parse(gunzipSync(bytes).toString("utf8"));
}
