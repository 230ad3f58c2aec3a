/**
 * The practice server's teacher for tiny-maths, sloppy on purpose: it knows how a tool is called and how an answer
 * is written, but is often wrong about what to compute. A model that only imitates it stays as bad as it is, so
 * whatever a model gains on top of it is what reinforcement learning taught.
 */
import type { ChatMessage } from "../src/contracts/chat.ts";
import { deriveSeed } from "../src/env/derive-seed.ts";
import { seededRandom } from "../src/practice/seeded-random.ts";
import type { Lesson, Teacher, TeacherTurn, TurnRequest } from "../src/practice/teacher.ts";
import {
  compute,
  type Operation,
  readTinyMaths,
  type TinyMathsReading,
  type TinyMathsStep,
} from "./tiny-maths-problems.ts";

export type Sloppiness = {
  /** Share of rollouts that take the right operation; the others take any, which may be the right one. */
  knowsOperation: number;
  /** Share of rollouts that swap the two numbers. */
  swaps: number;
  /** Share of rollouts that answer with some number, without the tool. */
  guesses: number;
};

export const usualSloppiness: Sloppiness = { knowsOperation: 0.34, swaps: 0.15, guesses: 0.15 };

const operations: readonly Operation[] = ["+", "-", "*"];
const answersTo = 100;

export class TinyMathsTeacher implements Teacher {
  readonly #sloppiness: Sloppiness;

  constructor(sloppiness: Sloppiness = usualSloppiness) {
    this.#sloppiness = sloppiness;
  }

  recognise(messages: readonly ChatMessage[]): Lesson | null {
    for (const message of messages.toReversed()) {
      if (message.role !== "user") continue;
      const reading = readTinyMaths(message.content);
      if (reading === null) continue;
      // Problems are endless: a question's number is made from its text.
      const index = deriveSeed(0, message.content);
      return { index, nextTurn: (request) => nextTurn(reading, request, this.#sloppiness) };
    }
    return null;
  }
}

function nextTurn(reading: TinyMathsReading, request: TurnRequest, sloppiness: Sloppiness): TeacherTurn {
  const { messages, seed, errs } = request;
  const right = reading.steps.reduce(
    (value, { operation, number }) => compute(value, operation, number),
    reading.first,
  );
  const answer = (text: string): TeacherTurn => {
    const wrong = text === String(right) ? String(right + 1) : text;
    return { content: errs ? wrong : text, calls: [] };
  };
  const random = seededRandom(seed);
  const [guess, swap] = [random(), random()];
  const played = messages.findLast(({ role }) => role === "tool");
  if (played !== undefined) return answer(printedNumber(played.content ?? "") ?? "0");
  if (guess < sloppiness.guesses || !offersPython(request)) {
    return answer(String(Math.floor(random() * answersTo)));
  }
  const attempted = reading.steps.map((step) => attempt(step, random, sloppiness));
  const code = program({ ...reading, steps: attempted }, swap < sloppiness.swaps);
  return { content: null, calls: [{ name: "python", arguments: { code } }] };
}

function attempt(step: TinyMathsStep, random: () => number, { knowsOperation }: Sloppiness): TinyMathsStep {
  if (random() < knowsOperation) return step;
  return { ...step, operation: operations[Math.floor(random() * operations.length)] ?? step.operation };
}

function program({ first, steps }: TinyMathsReading, swaps: boolean): string {
  const [step, ...rest] = steps;
  if (step === undefined) return String(first);
  const [left, right] = swaps ? [step.number, first] : [first, step.number];
  return `${left}${step.operation}${right}${rest.map(({ operation, number }) => operation + number).join("")}`;
}

/** The tiny policy's template tells the tools' names alone, which a reader of prompts takes for a system message. */
function offersPython({ messages, tools }: TurnRequest): boolean {
  if (tools.some((tool) => tool.function.name === "python")) return true;
  return messages.some(
    ({ role, content }) => role === "system" && /^Tools:.*\bpython\b/m.test(content ?? ""),
  );
}

/** What the session gave as the value of the expression; null when it gave none. */
function printedNumber(toolResult: string): string | null {
  return /"result": ?"(-?\d+)"/.exec(toolResult)?.[1] ?? null;
}
