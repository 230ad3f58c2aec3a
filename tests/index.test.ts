import { expect, test } from "vitest";
import * as parsers from "../parsers/index.ts";
import * as lachesis from "../src/index.ts";

test("the package exports exactly what it promises to authors of environments and trainers", () => {
  expect(Object.keys(lachesis).sort()).toEqual([
    "BaseEnv",
    "ChatFormat",
    "ChatTemplate",
    "HermesAgentBaseEnv",
    "HermesAgentLoop",
    "ItemCursor",
    "LachesisError",
    "ManagedServer",
    "ManagedServers",
    "RolloutApiClient",
    "SegmentTracker",
    "TokenServerManager",
    "ToolContext",
    "baseEnvConfig",
    "defineTool",
    "hermesAgentEnvConfig",
    "inTurn",
    "loadTokenizer",
    "openDataset",
    "scoreNumericAnswer",
    "serverConfig",
  ]);
});

test("lachesis/parsers exports what reads and writes tool calls", () => {
  expect(Object.keys(parsers).sort()).toEqual([
    "createCompletionParser",
    "detectParsers",
    "getParser",
    "getReasoningParser",
    "parserNames",
    "parsers",
    "reasoningParserNames",
  ]);
});
