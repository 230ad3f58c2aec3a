/** The teachers that the practice server can play. A new environment's teacher adds a line here. */
import type { Teacher } from "../src/practice/teacher.ts";
import { MmluTeacher, readOwnQuestions } from "./benchmarks/mmlu-teacher.ts";
import { bundledCode } from "./code.ts";
import { CodeTeacher, readCodeProblems } from "./code-teacher.ts";
import { GamesTeacher } from "./games-teacher.ts";
import { Gsm8kTeacher, readGsm8kProblems } from "./gsm8k-agent-teacher.ts";
import { bundledProblems } from "./gsm8k-bundled.ts";
import { bundledMaths } from "./math-agent.ts";
import { MathAgentTeacher, readMathsProblems } from "./math-agent-teacher.ts";
import { bundledMcpTasks } from "./mcp-agent/rows.ts";
import { McpAgentTeacher, readMcpTasks } from "./mcp-agent-teacher.ts";
import { MultiTeacher } from "./multi-teacher.ts";
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
  gsm8k: {
    tokenizer: "practice",
    readsDataset: true,
    async open({ dataset = Object.values(bundledProblems), signal }) {
      const { rows: problems, skippedRows } = await readGsm8kProblems(dataset, { signal });
      return { teacher: new Gsm8kTeacher(problems), knows: `${problems.length} problems`, skippedRows };
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
      const taught = Object.values(single).filter(({ tokenizer }) => tokenizer === "practice");
      const opened = await Promise.all(taught.map(({ open }) => open({ dataset: undefined, signal })));
      return {
        teacher: new MultiTeacher(opened.map(({ teacher }) => teacher)),
        knows: opened.map(({ knows }) => knows).join(", "),
        skippedRows: opened.reduce((sum, { skippedRows }) => sum + skippedRows, 0),
      };
    },
  },
} as const satisfies Readonly<Record<string, TeacherChoice>>;

export type TeacherName = keyof typeof teachers;
