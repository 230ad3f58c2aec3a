import { MemoryStores } from "../../src/rollout-api/memory-store.ts";
import { testGroupStore } from "../support/group-store-contract.ts";

testGroupStore("MemoryStore", async (options) => new MemoryStores(options));
