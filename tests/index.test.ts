import { expect, test } from "vitest";
import * as lachesis from "../src/index.ts";

test("the package exports exactly what it promises to authors of environments", () => {
  expect(Object.keys(lachesis).sort()).toEqual([
    "BaseEnv",
    "HermesAgentBaseEnv",
    "HermesAgentLoop",
    "ItemCursor",
    "LachesisError",
    "RolloutApiClient",
    "ToolContext",
    "baseEnvConfig",
    "defineTool",
    "hermesAgentEnvConfig",
    "openDataset",
    "scoreNumericAnswer",
  ]);
});
