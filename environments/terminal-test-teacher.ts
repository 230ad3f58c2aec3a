/**
 * The practice server's teacher for terminal-test: writes the file by a shell command or by `write_file`, looks at
 * what it wrote, and says so. A rollout that errs writes something else, or the right thing among other things.
 */
import { posix } from "node:path";
import type { ChatMessage } from "../src/contracts/chat.ts";
import { QuestionIndex } from "../src/practice/question-index.ts";
import { seededRandom } from "../src/practice/seeded-random.ts";
import type { Lesson, Teacher, TeacherCall, TeacherTurn, TurnRequest } from "../src/practice/teacher.ts";
import { heldOutTasks, type TerminalTask, trainingTasks } from "./terminal-test-tasks.ts";

const tasks = [...trainingTasks, ...heldOutTasks];

export class TerminalTestTeacher implements Teacher {
  readonly #index = new QuestionIndex(tasks.map(({ prompt }) => prompt));

  recognise(messages: readonly ChatMessage[]): Lesson | null {
    for (const message of messages.toReversed()) {
      if (message.role !== "user") continue;
      const index = this.#index.find(message.content);
      const task = index === null ? undefined : tasks[index];
      if (index !== null && task) return { index, nextTurn: (request) => nextTurn(task, request) };
    }
    return null;
  }
}

function nextTurn(task: TerminalTask, { messages, tools, seed, errs }: TurnRequest): TeacherTurn {
  const sinceTask = messages.slice(messages.findLastIndex(({ role }) => role === "user") + 1);
  const turn = sinceTask.filter(({ role }) => role === "assistant").length;
  const offered = new Set(tools.map((tool) => tool.function.name));
  const random = seededRandom(seed);
  const [way, slip] = [random(), random()];
  const content = errs ? wrongContent(task, slip) : task.expected;
  const writes = [
    ...(offered.has("terminal") ? [byShell(task.file, content)] : []),
    ...(offered.has("write_file") ? [byWriteFile(task.file, content)] : []),
  ];
  const write = writes[Math.floor(way * writes.length)];
  if (write === undefined) return { content: "I have no tool to write files with.", calls: [] };
  if (turn === 0) return { content: "I write the file.", calls: [write] };
  if (turn === 1 && offered.has("terminal")) return { content: null, calls: [look(task.file)] };
  return { content: `Done: ~/${task.file} is written.`, calls: [] };
}

/** Half the slips hold the right content among other things. */
function wrongContent({ expected }: TerminalTask, slip: number): string {
  return slip < 0.5 ? `I wrote this:\n${expected}` : [...expected].toReversed().join("x");
}

function byShell(file: string, content: string): TeacherCall {
  const path = `~/${file}`;
  const command = `mkdir -p ~/${posix.dirname(file)} && cat > ${path} <<'END'\n${content}\nEND`;
  return { name: "terminal", arguments: { command } };
}

const byWriteFile = (path: string, content: string): TeacherCall => ({
  name: "write_file",
  arguments: { path, content: `${content}\n` },
});

const look = (file: string): TeacherCall => ({
  name: "terminal",
  arguments: { command: `cat ~/${file}` },
});
