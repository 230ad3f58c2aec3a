import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SqliteStores } from "../../src/rollout-api/sqlite-store.ts";
import { testGroupStore } from "../support/group-store-contract.ts";

testGroupStore("SqliteStore", async (options) => {
  const directory = await mkdtemp(join(tmpdir(), "lachesis-store-"));
  return SqliteStores.open({ path: join(directory, "store.sqlite"), ...options });
});
