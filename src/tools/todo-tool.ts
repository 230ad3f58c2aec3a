/** The `todo` tool: the model's own list of what there is to do, which lives as long as the rollout. */
import { z } from "zod";
import type { ResourceKey } from "../contracts/rollout-context.ts";
import type { Tool } from "../contracts/tool.ts";
import { defineTool, type ToolOutput } from "./define-tool.ts";

const mostItems = 200;
const statuses = ["pending", "in_progress", "completed", "cancelled"] as const;

const item = z.strictObject({
  id: z.string().min(1).max(100).describe("Names the item; yours to choose."),
  content: z.string().min(1).max(2_000).optional().describe("What is to be done."),
  status: z.enum(statuses).optional().describe("Where it stands; pending where left out."),
});

type Todo = { id: string; content: string; status: (typeof statuses)[number] };

class TodoList implements AsyncDisposable {
  #todos: readonly Todo[] = [];

  get todos(): readonly Todo[] {
    return this.#todos;
  }

  /** Answers what is wrong with the items, and then changes nothing; null = they are taken. */
  update(items: readonly z.output<typeof item>[], { merge }: { merge: boolean }): string | null {
    const todos = new Map<string, Todo>(merge ? this.#todos.map((todo) => [todo.id, todo]) : []);
    const seen = new Set<string>();
    for (const { id, content, status } of items) {
      if (seen.has(id)) return `Two items have the id "${id}": give each its own.`;
      seen.add(id);
      const before = todos.get(id);
      const wanted = content ?? before?.content;
      if (wanted === undefined) return `Item "${id}" is new and has no content: say what is to be done.`;
      todos.set(id, { id, content: wanted, status: status ?? before?.status ?? "pending" });
    }
    if (todos.size > mostItems)
      return `A list holds ${mostItems} items at most, this would be ${todos.size}.`;
    this.#todos = [...todos.values()];
    return null;
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

const todoKey: ResourceKey<TodoList> = { name: "todo", create: async () => new TodoList() };

export function todoTool(): Tool {
  return defineTool({
    name: "todo",
    description:
      "Keep a list of what there is to do in this task. Without todos it shows the list; with todos it replaces " +
      "the list, or, with merge=true, changes the items of the same id and adds the others.",
    toolset: "todo",
    parameters: z.strictObject({
      todos: z.array(item).max(mostItems).optional().describe("The items. Leave out to read the list."),
      merge: z.boolean().default(false).describe("Change and add items instead of replacing the list."),
    }),
    async run({ todos, merge }, context): Promise<ToolOutput> {
      const list = await context.resource(todoKey);
      const error = todos === undefined ? null : list.update(todos, { merge });
      return {
        ...(error !== null && { error }),
        todos: list.todos,
        summary: {
          total: list.todos.length,
          ...Object.fromEntries(
            statuses.map((status) => [status, list.todos.filter((todo) => todo.status === status).length]),
          ),
        },
      };
    },
  });
}
