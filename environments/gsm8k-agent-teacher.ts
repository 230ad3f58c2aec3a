/**
 * The practice server's teacher for GSM8K: plays a problem's worked solution as a tool-calling model would.
 * The `<<48/2=24>>` annotations become `python` calls, grouped into turns in a way that differs from rollout
 * to rollout; after the last result comes the answer in prose, with a `\boxed{}`.
 */
import { z } from "zod";
import { scoreNumericAnswer } from "../rewards/index.ts";
import type { ChatMessage } from "../src/contracts/chat.ts";
import { toPythonArithmetic } from "../src/practice/python-arithmetic.ts";
import { seededRandom } from "../src/practice/seeded-random.ts";
import type { TeacherCall, TeacherTurn, TurnRequest } from "../src/practice/teacher.ts";
import { RowTeacher, readTeacherRows, sinceQuestion, type TeacherRows } from "./row-teacher.ts";

export type Gsm8kProblem = { question: string; answer: string };

type Step = { python: string; value: number };
type Solution = { steps: readonly Step[]; prose: string; gold: string };

const row = z.object({ question: z.string().min(1), answer: z.string() });

/** Rows without a question or a final answer are left out and counted; rejects as `readTeacherRows` does. */
export function readGsm8kProblems(
  paths: readonly string[],
  { signal }: { signal: AbortSignal },
): Promise<TeacherRows<Gsm8kProblem>> {
  const read = (raw: unknown): Gsm8kProblem | null => {
    const parsed = row.safeParse(raw);
    return parsed.success && readSolution(parsed.data.answer) ? parsed.data : null;
  };
  const expected = 'a "question" and an "answer" that ends in "#### <number>"';
  return readTeacherRows(paths, read, { expected, signal });
}

export class Gsm8kTeacher extends RowTeacher<Gsm8kProblem> {
  constructor(problems: readonly Gsm8kProblem[]) {
    super(problems, ({ question }) => question);
  }

  protected override nextTurn({ answer }: Gsm8kProblem, request: TurnRequest): TeacherTurn {
    const solution = readSolution(answer);
    return solution === null ? { content: null, calls: [] } : nextTurn(solution, request);
  }
}

/** The parts of a worked solution; null when it has no final answer. */
export function readSolution(answer: string): Solution | null {
  const [, prose, gold] = /^([\s\S]*?)####\s*(\S.*?)\s*$/.exec(answer) ?? [];
  if (prose === undefined || gold === undefined) return null;
  const annotations = prose.matchAll(/<<([^<>=]*)=[^<>]*>>/g);
  const steps = [...annotations].flatMap(([, expression = ""]) => toPythonArithmetic(expression) ?? []);
  return { steps, gold, prose: prose.replace(/<<[^<>]*>>/g, "").trim() };
}

function nextTurn(solution: Solution, request: TurnRequest): TeacherTurn {
  const { tools, seed, errs } = request;
  const answer = errs ? slip(solution.gold, seed) : solution.gold;
  if (!tools.some((tool) => tool.function.name === "python")) {
    return { content: `${solution.prose}\n${conclusion(answer)}`, calls: [] };
  }
  const plan = planCalls(solution.steps, seed);
  const played = sinceQuestion(request);
  const turn = played.filter(({ role }) => role === "assistant").length;
  const calls = plan[turn];
  if (calls) return { content: turn === 0 ? "Let me compute this step by step." : null, calls };
  return { content: summary(solution, played, answer), calls: [] };
}

const conclusion = (answer: string): string => `The answer is \\boxed{${answer}}.`;

/** Lists the steps, checked against what the tool printed. */
function summary({ steps, prose }: Solution, played: readonly ChatMessage[], answer: string): string {
  if (steps.length === 0) return `${prose}\n${conclusion(answer)}`;
  const printed = played.flatMap((message) => (message.role === "tool" ? numbersIn(message.content) : []));
  const lines = steps.map(({ python, value }) => {
    const confirmed = printed.some((number) => isClose(number, value));
    return `${python} = ${formatNumber(value)}${confirmed ? "" : " (by hand: the tool did not give it)"}`;
  });
  return `${lines.join("\n")}\n${conclusion(answer)}`;
}

/** Turns, each a list of calls: step by step, in pairs, all in one program, or all as calls of one turn. */
function planCalls(steps: readonly Step[], seed: number): TeacherCall[][] {
  if (steps.length === 0) return [];
  const style = Math.floor(seededRandom(seed)() * 4);
  const numbered = steps.map(({ python }, index) => ({ python, name: `step_${index + 1}` }));
  if (style === 0) return numbered.map((step) => [pythonCall([step])]);
  if (style === 1) return pairs(numbered).map((pair) => [pythonCall(pair)]);
  if (style === 2) return [[pythonCall(numbered)]];
  return [numbered.map((step) => pythonCall([step]))];
}

function pairs<T>(items: readonly T[]): T[][] {
  return Array.from({ length: Math.ceil(items.length / 2) }, (_, index) =>
    items.slice(2 * index, 2 * index + 2),
  );
}

/** One step stands as an expression, whose value the REPL shows; several are assigned and printed. */
function pythonCall(steps: readonly { python: string; name: string }[]): TeacherCall {
  const [only] = steps;
  if (only && steps.length === 1) return { name: "python", arguments: { code: only.python } };
  const assignments = steps.map(({ name, python }) => `${name} = ${python}`);
  const code = [...assignments, `print(${steps.map(({ name }) => name).join(", ")})`].join("\n");
  return { name: "python", arguments: { code } };
}

/** A plausible wrong answer: off by one, by ten, by a factor of two, or the last two digits swapped. */
export function slip(gold: string, seed: number): string {
  const number = Number(gold.replace(/[$,%\s]/g, ""));
  const value = Number.isFinite(number) ? number : 0;
  const decimals = Number.isFinite(number) ? (/\.(\d+)/.exec(gold)?.[1]?.length ?? 0) : 0;
  const unit = 10 ** -decimals;
  const numbers = [value + unit, value - unit, value + 10 * unit, value * 2, value / 2, swapDigits(value)];
  const candidates = numbers
    .filter((candidate) => value < 0 || candidate >= 0)
    .map((candidate) => candidate.toFixed(decimals));
  // Another stream than the one that groups the steps.
  const first = Math.floor(seededRandom(~seed)() * candidates.length);
  const inTurn = [...candidates.slice(first), ...candidates.slice(0, first)];
  const isWrong = (candidate: string) => scoreNumericAnswer(gold, `\\boxed{${candidate}}`) === 0;
  return inTurn.find(isWrong) ?? (value + 7 * unit).toFixed(decimals);
}

/** 1234 -> 1243. */
const swapDigits = (value: number): number => Number(String(value).replace(/(\d)(\d)$/, "$2$1"));

const numbersIn = (text: string): number[] =>
  (text.match(/-?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?/gi) ?? []).map(Number);

const isClose = (left: number, right: number): boolean =>
  Math.abs(left - right) <= 1e-9 * Math.max(1, Math.abs(left), Math.abs(right));

/** Without the noise of binary fractions: 0.1 + 0.2 is 0.3. */
const formatNumber = (value: number): string => String(Number(value.toPrecision(12)));
