import { join } from "node:path";
import { SqliteStores } from "../../src/rollout-api/sqlite-store.ts";
import { testGroupStore } from "../support/group-store-contract.ts";
import { TemporaryDirectory } from "../support/temporary-directory.ts";

testGroupStore("SqliteStore", async (options) => {
  const directory = await TemporaryDirectory.make();
  const stores = await SqliteStores.open({ path: join(directory.path, "store.sqlite"), ...options });
  return {
    run: (name) => stores.run(name),
    names: () => stores.names(),
    checkWritable: () => stores.checkWritable(),
    async [Symbol.asyncDispose]() {
      await stores[Symbol.asyncDispose]();
      await directory[Symbol.asyncDispose]();
    },
  };
});
