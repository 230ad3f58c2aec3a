/** The tools that come with Lachesis. A new one adds a line here. */
import type { Tool } from "../contracts/tool.ts";
import { processTool } from "./process-tool.ts";
import { pythonTool } from "./python-tool.ts";
import { readFileTool } from "./read-file-tool.ts";
import { searchFilesTool } from "./search-files-tool.ts";
import { terminalTool } from "./terminal-tool.ts";
import { todoTool } from "./todo-tool.ts";
import { writeFileTool } from "./write-file-tool.ts";

export function builtinTools(): Tool[] {
  return [
    processTool(),
    pythonTool(),
    readFileTool(),
    searchFilesTool(),
    terminalTool(),
    todoTool(),
    writeFileTool(),
  ];
}
