/** A group for people to read: what was asked once, then each sample with its score and what was said. */
import { pythonJsonDumps, tryPythonJsonParse } from "../../contracts/python-json.ts";
import {
  argumentsOf,
  promptOf,
  reasoningOf,
  type Sample,
  type SampledGroup,
  samplingOf,
  textOf,
} from "../group-samples.ts";
import type { SavedMessage } from "../saved-group.ts";
import { codeHtml, lineHtml, safeText, TEXT_CHARACTERS, TextBudget, textHtml } from "./html-text.ts";

/** Characters of texts that one group shows. */
const GROUP_CHARACTERS = 4_000_000;
const LINE_CHARACTERS = 120;
/** What a message or a field takes on the page besides its text, about. */
const FRAME_CHARACTERS = 100;
/** Values of so many characters need no block of their own. */
const SHORT_CHARACTERS = 60;

/** A collapsed block; `number` counts the groups of the page from 1. */
export function groupHtml(sampled: SampledGroup, number: number): string {
  const { samples } = sampled;
  const budget = new TextBudget(GROUP_CHARACTERS);
  const [first] = samples;
  const prompt = first?.messages ? promptOf(first.messages) : [];
  const asked = prompt.findLast(({ role }) => role === "user") ?? prompt.at(-1);
  const scores = samples.map(({ score }) => scoreHtml(score)).join(" ");
  return [
    `<details class="group" id="group-${number}">`,
    `<summary><b>Group ${number}</b> <span class="start">${asked === undefined ? "" : lineHtml(textOf(asked), LINE_CHARACTERS)}</span> <span class="scores">${scores}</span></summary>`,
    factsHtml(sampled, budget),
    prompt.length === 0 ? "" : `<section class="prompt">${messagesHtml(prompt, budget)}</section>`,
    ...samples.map((sample) => sampleHtml(sample, { sampled, prompt, budget })),
    "</details>",
  ].join("\n");
}

function factsHtml(sampled: SampledGroup, budget: TextBudget): string {
  const { provenance } = sampled.group;
  const sampling = samplingOf(sampled.group);
  const facts: (readonly [name: string, value: unknown])[] =
    provenance === undefined
      ? []
      : [
          ["environment", provenance.env],
          ["model", provenance.model],
          ["group", provenance.group_id],
          ["item", provenance.item_number],
          ["seed", provenance.seed],
          ["finished", provenance.finished_at],
          ["tools", provenance.tools?.map((tool) => tool.function.name).join(", ") || undefined],
        ];
  const known = facts.filter(([, value]) => value !== undefined);
  const line = known
    .map(([name, value]) => `<span>${name} <b>${safeText(String(value))}</b></span>`)
    .join(" ");
  const more = { ...(provenance && { item: provenance.item }), ...(sampling && { sampling }) };
  const details =
    Object.keys(more).length === 0
      ? ""
      : `<details class="more"><summary>item and sampling</summary>${codeHtml(JSON.stringify(more, null, 2), budget)}</details>`;
  return `<div class="facts">${line}${details}</div>`;
}

function sampleHtml(
  sample: Sample,
  { sampled, prompt, budget }: { sampled: SampledGroup; prompt: readonly SavedMessage[]; budget: TextBudget },
): string {
  const { messages, score, rollout, index } = sample;
  const last = messages?.findLast(({ role }) => role === "assistant");
  const end = last === undefined ? "" : (textOf(last).trim().split("\n").at(-1) ?? "");
  const facts = [
    ...(rollout === null ? [] : [rollout.stop, counted(rollout.turns, "turn")]),
    ...(rollout?.tool_errors ? [counted(rollout.tool_errors, "tool error")] : []),
  ];
  return [
    `<details class="sample ${signOf(score)}">`,
    `<summary>${scoreHtml(score)} <b>Sample ${index + 1}</b> <span class="start">${lineHtml(end, LINE_CHARACTERS)}</span> <span class="quiet">${safeText(facts.join(" · "))}</span></summary>`,
    messages === null ? noMessagesHtml(sample, sampled) : turnsHtml(messages, prompt, budget),
    "</details>",
  ].join("\n");
}

/** The group's prompt stands above its samples and isn't said again; another one is. */
function turnsHtml(
  messages: readonly SavedMessage[],
  prompt: readonly SavedMessage[],
  budget: TextBudget,
): string {
  const own = promptOf(messages);
  const isShared = JSON.stringify(own) === JSON.stringify(prompt);
  return messagesHtml(messages.slice(isShared ? own.length : 0), budget);
}

function messagesHtml(messages: readonly SavedMessage[], budget: TextBudget): string {
  const shown: string[] = [];
  for (const message of messages) {
    if (!budget.spend(FRAME_CHARACTERS)) {
      shown.push(`<p class="quiet">… ${counted(messages.length - shown.length, "more message")}</p>`);
      break;
    }
    shown.push(messageHtml(message, budget));
  }
  return shown.join("\n");
}

function noMessagesHtml({ sequences }: Sample, { group }: SampledGroup): string {
  const tokens = sequences.reduce((sum, index) => sum + (group.tokens[index]?.length ?? 0), 0);
  return `<p class="quiet">No messages were saved: ${counted(tokens, "token")} in ${counted(sequences.length, "sequence")}.</p>`;
}

function messageHtml(message: SavedMessage, budget: TextBudget): string {
  const { role } = message;
  const reasoning = reasoningOf(message).trim();
  const parts = [
    reasoning === ""
      ? ""
      : `<details class="thought"><summary>Thought ${lineHtml(reasoning, 60)}</summary>${textHtml(reasoning, budget)}</details>`,
    role === "tool" ? valueHtml(textOf(message), budget) : textHtml(textOf(message), budget),
    otherPartsHtml(message),
    ...(message.tool_calls ?? []).map(
      (call) =>
        `<div class="call"><b>calls ${safeText(call.function.name)}</b>${valueHtml(argumentsOf(call), budget)}</div>`,
    ),
  ];
  const known = ["system", "user", "assistant", "tool"].includes(role) ? ` ${role}` : "";
  return `<article class="message${known}"><h3>${safeText(capitalised(role))}</h3>${parts.join("")}</article>`;
}

/** Images and the like: named, not shown. */
function otherPartsHtml({ content }: SavedMessage): string {
  if (!Array.isArray(content)) return "";
  return content
    .flatMap((part: unknown) => {
      if (typeof part !== "object" || part === null || !("type" in part) || part.type === "text") return [];
      return [`<p class="quiet">[${safeText(String(part.type))}]</p>`];
    })
    .join("");
}

/** The fields of a JSON object, code and other texts with their line breaks; anything else as it is. */
function valueHtml(text: string, budget: TextBudget): string {
  if (text.length > TEXT_CHARACTERS) return codeHtml(text, budget);
  const parsed = tryPythonJsonParse(text);
  if (!parsed.ok || !(parsed.value instanceof Map)) return text === "" ? "" : codeHtml(text, budget);
  if (parsed.value.size === 0) return "";
  const rows = [...parsed.value].map(([name, value]) => {
    const line = (typeof value === "string" ? value : pythonJsonDumps(value)).trim();
    budget.spend(FRAME_CHARACTERS);
    const isShort = line.length <= SHORT_CHARACTERS && !line.includes("\n");
    const field = isShort
      ? `<dd class="short">${safeText(line) || "(nothing)"}</dd>`
      : `<dd>${codeHtml(typeof value === "string" ? value : pythonJsonDumps(value, { indent: 2 }), budget)}</dd>`;
    return `<dt>${safeText(name)}</dt>${field}`;
  });
  return `<dl>${rows.join("")}</dl>`;
}

export type RewardSign = "reward-positive" | "reward-zero" | "reward-negative";

export const signOf = (score: number): RewardSign =>
  score > 0 ? "reward-positive" : score < 0 ? "reward-negative" : "reward-zero";

function scoreHtml(score: number): string {
  return `<span class="score ${signOf(score)}">${scoreText(score)}</span>`;
}

/** Four decimals are enough to tell scores apart; what is smaller must not look like 0. */
export function scoreText(score: number): string {
  const rounded = Math.abs(score) < 0.0001 ? score.toPrecision(2) : score.toFixed(4);
  return String(Number(rounded)).replace(/^-/, "−");
}

const capitalised = (text: string): string => text.slice(0, 1).toUpperCase() + text.slice(1);

const counted = (count: number, what: string): string => `${count} ${what}${count === 1 ? "" : "s"}`;
