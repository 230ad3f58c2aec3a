/** The teachers that the practice server can play. A new environment's teacher adds a line here. */
import type { Teacher } from "../src/practice/teacher.ts";
import { ownRowsFile } from "./benchmarks/benchmark-env.ts";
import { solutionCommand } from "./benchmarks/harbor/harbor-policies.ts";
import { readTaskFolders } from "./benchmarks/harbor/task-folder.ts";
import { ownTasks } from "./benchmarks/harbor.ts";
import { IfevalTeacher, readAnsweredPrompts } from "./benchmarks/ifeval-teacher.ts";
import { MmluTeacher, readOwnQuestions } from "./benchmarks/mmlu-teacher.ts";
import { bundledCode } from "./code.ts";
import { CodeTeacher, readCodeProblems } from "./code-teacher.ts";
import { readTerminalTasks } from "./endless-terminals/terminal-task.ts";
import { bundledTasks } from "./endless-terminals.ts";
import { GamesTeacher } from "./games-teacher.ts";
import { Gsm8kTeacher, readGsm8kProblems } from "./gsm8k-agent-teacher.ts";
import { bundledProblems } from "./gsm8k-bundled.ts";
import { bundledMaths } from "./math-agent.ts";
import { MathAgentTeacher, readMathsProblems } from "./math-agent-teacher.ts";
import { bundledMcpTasks } from "./mcp-agent/rows.ts";
import { McpAgentTeacher, readMcpTasks } from "./mcp-agent-teacher.ts";
import { MultiTeacher } from "./multi-teacher.ts";
import { ShellTaskTeacher, solvedTasks } from "./shell-task-teacher.ts";
import { bundledSwe } from "./swe.ts";
import { readSweProblems, SweTeacher } from "./swe-teacher.ts";
import { TerminalTestTeacher } from "./terminal-test-teacher.ts";
import { TinyMathsTeacher } from "./tiny-maths-teacher.ts";
import { bundledResearch } from "./web-research.ts";
import { readResearchRows, WebResearchTeacher } from "./web-research-teacher.ts";

export type OpenTeacher = {
  teacher: Teacher;
  /** What it knows, in a few words. */
  knows: string;
  /** Rows of the dataset that can't be played. */
  skippedRows: number;
};

export type TeacherChoice = {
  /** Tokenizer of the model that it teaches. */
  tokenizer: string;
  /** Whether its tasks come from files of rows; else it makes them itself. */
  readsDataset: boolean;
  open(options: { dataset: readonly string[] | undefined; signal: AbortSignal }): Promise<OpenTeacher>;
};

const single = {
  games: {
    tokenizer: "practice",
    readsDataset: false,
    open: async () => ({ teacher: new GamesTeacher(), knows: "blackjack and word guessing", skippedRows: 0 }),
  },
  code: {
    tokenizer: "practice",
    readsDataset: true,
    async open({ dataset = Object.values(bundledCode), signal }) {
      const { rows: problems, skippedRows } = await readCodeProblems(dataset, { signal });
      return { teacher: new CodeTeacher(problems), knows: `${problems.length} problems`, skippedRows };
    },
  },
  "endless-terminals": {
    tokenizer: "practice",
    readsDataset: true,
    async open({ dataset: folders = [bundledTasks] }) {
      const read = await Promise.all(folders.map(readTerminalTasks));
      const { rows, skippedRows } = solvedTasks(read.flatMap(({ tasks }) => tasks));
      return { teacher: new ShellTaskTeacher(rows), knows: `${rows.length} terminal tasks`, skippedRows };
    },
  },
  gsm8k: {
    tokenizer: "practice",
    readsDataset: true,
    async open({ dataset = Object.values(bundledProblems), signal }) {
      const { rows: problems, skippedRows } = await readGsm8kProblems(dataset, { signal });
      return { teacher: new Gsm8kTeacher(problems), knows: `${problems.length} problems`, skippedRows };
    },
  },
  harbor: {
    tokenizer: "practice",
    readsDataset: true,
    async open({ dataset: folders = [ownTasks] }) {
      const tasks = (await Promise.all(folders.map(readTaskFolders))).flat();
      const { rows, skippedRows } = solvedTasks(
        tasks.map((task) => ({ prompt: task.instruction, solution: solutionCommand(task) })),
      );
      return { teacher: new ShellTaskTeacher(rows), knows: `${rows.length} tasks`, skippedRows };
    },
  },
  ifeval: {
    tokenizer: "practice",
    readsDataset: true,
    async open({ dataset = [ownRowsFile("ifeval")], signal }) {
      const { rows, skippedRows } = await readAnsweredPrompts(dataset, { signal });
      return { teacher: new IfevalTeacher(rows), knows: `${rows.length} prompts`, skippedRows };
    },
  },
  aime: {
    tokenizer: "practice",
    readsDataset: true,
    async open({ dataset = [ownRowsFile("aime")], signal }) {
      const { rows, skippedRows } = await readMathsProblems(dataset, { signal });
      return { teacher: new MathAgentTeacher(rows), knows: `${rows.length} problems`, skippedRows };
    },
  },
  "math-agent": {
    tokenizer: "practice",
    readsDataset: true,
    async open({ dataset = Object.values(bundledMaths), signal }) {
      const { rows: problems, skippedRows } = await readMathsProblems(dataset, { signal });
      return { teacher: new MathAgentTeacher(problems), knows: `${problems.length} problems`, skippedRows };
    },
  },
  "mcp-agent": {
    tokenizer: "practice",
    readsDataset: true,
    async open({ dataset = Object.values(bundledMcpTasks), signal }) {
      const { rows: tasks, skippedRows } = await readMcpTasks(dataset, { signal });
      return { teacher: new McpAgentTeacher(tasks), knows: `${tasks.length} tasks`, skippedRows };
    },
  },
  swe: {
    tokenizer: "practice",
    readsDataset: true,
    async open({ dataset = Object.values(bundledSwe), signal }) {
      const { rows: problems, skippedRows } = await readSweProblems(dataset, { signal });
      return { teacher: new SweTeacher(problems), knows: `${problems.length} problems`, skippedRows };
    },
  },
  mmlu: {
    tokenizer: "practice",
    readsDataset: false,
    async open() {
      const questions = readOwnQuestions();
      return { teacher: new MmluTeacher(questions), knows: `${questions.length} choices`, skippedRows: 0 };
    },
  },
  "terminal-test": {
    tokenizer: "practice",
    readsDataset: false,
    open: async () => ({ teacher: new TerminalTestTeacher(), knows: "terminal-test", skippedRows: 0 }),
  },
  "tiny-maths": {
    tokenizer: "tiny-policy",
    readsDataset: false,
    open: async () => ({ teacher: new TinyMathsTeacher(), knows: "tiny-maths, sloppy", skippedRows: 0 }),
  },
  "web-research": {
    tokenizer: "practice",
    readsDataset: true,
    async open({ dataset = Object.values(bundledResearch), signal }) {
      const { rows, skippedRows } = await readResearchRows(dataset, { signal });
      return { teacher: new WebResearchTeacher(rows), knows: `${rows.length} questions`, skippedRows };
    },
  },
} as const satisfies Readonly<Record<string, TeacherChoice>>;

/** By the name that `practice-server --teacher` gives. */
export const teachers = {
  ...single,
  multi: {
    tokenizer: "practice",
    readsDataset: false,
    async open({ signal }) {
      const taught = Object.entries(single).filter(([, { tokenizer }]) => tokenizer === "practice");
      const opened = await Promise.all(
        taught.map(async ([name, { open }]) => ({ name, ...(await open({ dataset: undefined, signal })) })),
      );
      return {
        teacher: new MultiTeacher(opened.map(({ teacher }) => teacher)),
        knows: opened.map(({ name, knows }) => `${name}: ${knows}`).join("; "),
        skippedRows: opened.reduce((sum, { skippedRows }) => sum + skippedRows, 0),
      };
    },
  },
} as const satisfies Readonly<Record<string, TeacherChoice>>;

export type TeacherName = keyof typeof teachers;
