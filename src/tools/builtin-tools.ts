/** The tools that come with Lachesis. A new one adds a line here. */
import type { Tool } from "../contracts/tool.ts";
import { browserTools } from "./browser-tools.ts";
import { delegateTaskTool } from "./delegate-task-tool.ts";
import { executeCodeTool } from "./execute-code-tool.ts";
import { patchTool } from "./patch-tool.ts";
import { processTool } from "./process-tool.ts";
import { pythonTool } from "./python-tool.ts";
import { readFileTool } from "./read-file-tool.ts";
import { searchFilesTool } from "./search-files-tool.ts";
import { terminalTool } from "./terminal-tool.ts";
import { todoTool } from "./todo-tool.ts";
import { noToolServices, type ToolServices } from "./tool-services.ts";
import { visionAnalyzeTool } from "./vision-analyze-tool.ts";
import { webExtractTool } from "./web-extract-tool.ts";
import { webSearchTool } from "./web-search-tool.ts";
import { writeFileTool } from "./write-file-tool.ts";

/** All of them; those whose service is not configured say so (`unconfigured`). */
export function builtinTools(services: ToolServices = noToolServices): Tool[] {
  const { browser, vision, web, webTimeoutMs, search, reader, pageChars } = services;
  return [
    ...browserTools({ browser, vision }),
    delegateTaskTool(),
    executeCodeTool(),
    patchTool(),
    processTool(),
    pythonTool(),
    readFileTool(),
    searchFilesTool(),
    terminalTool(),
    todoTool(),
    visionAnalyzeTool({ vision, web, timeoutMs: webTimeoutMs }),
    webExtractTool({ reader, pageChars }),
    webSearchTool(search),
    writeFileTool(),
  ];
}
