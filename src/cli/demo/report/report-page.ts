/** The demo's report as one HTML page: what was right before and after, the curves, and what was said token by token. */

import { escapeHtml } from "../../../contracts/escape-html.ts";
import { formatDuration } from "../../progress-lines.ts";
import { curveOf, driftText, wholeSteps } from "../demo-screen.ts";
import {
  confidenceInterval,
  type DemoEvaluation,
  type DemoSample,
  type DemoState,
  riseOf,
  type SampleToken,
  shareOf,
} from "../demo-state.ts";
import { lineChart } from "./report-chart.ts";
import { reportStyle } from "./report-style.ts";

const colors = { right: "#1a7f4b", tool: "#2563c9", teacher: "#8a6d1d" };
const shownSamples = 12;
const curvePoints = 60;

export function reportPage(state: DemoState, now: Date): string {
  const { settings } = state;
  const rise = riseOf(state);
  const title = settings.isRandomReward ? "Lachesis demo: rewards by chance" : "Lachesis demo";
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${title}</title>
<style>${reportStyle}</style>
<main>
<h1>${title}</h1>
<p class="dim">${escapeHtml(now.toISOString().slice(0, 16).replace("T", " "))} UTC · seed ${settings.seed} · ${state.trained.length} training steps of ${settings.batchSize} rollouts · ${formatDuration((state.endedAt ?? Date.now()) - state.startedAt)} in all</p>
<div class="tiles">
${tile("right before", state.before, "accuracy")}
${tile("right after", state.after, "accuracy")}
${tile("Python ran before", state.before, "toolSuccess")}
${tile("Python ran after", state.after, "toolSuccess")}
<div><b>${rise === null ? "–" : `${rise >= 0 ? "+" : "−"}${Math.abs(rise * 100).toFixed(0)}`}</b><span>points gained</span><span>asked for: ${settings.isRandomReward ? "less than " : ""}${settings.margin * 100}</span></div>
</div>
<p class="dim">Held-out problems, sampled at temperature 1; no training problem has the same pair of numbers. Intervals are Wilson's, 95 %.${partText(state)}</p>
<h2>How it learned</h2>
<div class="chart">${chart(state)}</div>
<p>Each point is what was played while one version of the weights was the newest. ${teacherText(state)} ${driftSentence(state)}</p>
<h2>What it said</h2>
<p>Grey was given: the problem, the template, the tool's result. Coloured was sampled, <span class="token" style="${tokenStyle(-0.05)}">surely</span> to <span class="token" style="${tokenStyle(-3)}">hardly</span>; only this is trained on. Hover for the probability.</p>
${chosenSamples(state.samples).map(sampleHtml).join("\n")}
</main>
</html>
`;
}

/** What ends first is no fair sample: an answer without a tool call is quick, and mostly wrong. */
function partText({ before, after, settings }: DemoState): string {
  const isPart = (evaluation: DemoEvaluation | undefined) =>
    evaluation !== undefined && evaluation.accuracy.count < settings.evalItems;
  const parts = [...(isPart(before) ? ["before"] : []), ...(isPart(after) ? ["after"] : [])];
  if (parts.length === 0) return "";
  return ` <b>Not all of the ${settings.evalItems} problems were played ${parts.join(" and ")}; what ended first is mostly the quick and wrong.</b>`;
}

function tile(name: string, evaluation: DemoEvaluation | undefined, key: keyof DemoEvaluation): string {
  const proportion = evaluation?.[key];
  const share = proportion && shareOf(proportion);
  if (proportion === undefined || share === undefined) return `<div><b>–</b><span>${name}</span></div>`;
  const [low, high] = confidenceInterval(proportion).map((limit) => Math.round(limit * 100));
  return `<div><b>${Math.round(share * 100)} %</b><span>${name}</span><span>${low} to ${high} % of ${proportion.count}</span></div>`;
}

function chart(state: DemoState): string {
  const { before, after, teacher, trained } = state;
  const rollouts = wholeSteps(state);
  const size = Math.max(1, Math.ceil(rollouts.length / curvePoints));
  const points = (key: "correct" | "toolSuccesses") =>
    curveOf(rollouts, key, curvePoints).map((y, index) => ({
      x: rollouts[Math.min(rollouts.length - 1, index * size + Math.floor(size / 2))]?.step ?? 0,
      y,
    }));
  const lastStep = trained.at(-1)?.step ?? 0;
  const mark = (evaluation: DemoEvaluation | undefined, x: number, name: string) => {
    const y = evaluation && shareOf(evaluation.accuracy);
    if (evaluation === undefined || y === undefined) return [];
    const [low, high] = confidenceInterval(evaluation.accuracy);
    return [{ x, y, low, high, name, color: colors.right }];
  };
  const teacherShare = shareOf(teacher);
  return lineChart({
    lastStep,
    curves: [
      { name: "Python ran", color: colors.tool, points: points("toolSuccesses") },
      { name: "right answers", color: colors.right, points: points("correct") },
    ],
    levels:
      teacherShare === undefined ? [] : [{ name: "its teacher", color: colors.teacher, y: teacherShare }],
    marks: [...mark(before, 0, "held-out, before"), ...mark(after, lastStep, "held-out, after")],
  });
}

function teacherText({ teacher }: DemoState): string {
  const share = shareOf(teacher);
  if (share === undefined) return "";
  return `Its first weights imitate a teacher that is sloppy on purpose and right in ${Math.round(share * 100)} % of its rollouts; what lies above that, reinforcement learning taught.`;
}

/** That the sampler and the trainer mean the same by a probability is what makes the curve worth believing. */
function driftSentence(state: DemoState): string {
  const drift = driftText(state);
  if (drift === "-") return "";
  if (drift === "0") return "Log-probabilities of the sampler and of the trainer are the same to the bit.";
  return `Log-probabilities of the sampler and of the trainer differ by ${drift} at most.`;
}

/** Evenly over the run, the first and the last among them. */
function chosenSamples(samples: readonly DemoSample[]): DemoSample[] {
  const count = Math.min(shownSamples, samples.length);
  return Array.from(
    { length: count },
    (_, index) => samples[Math.round((index * (samples.length - 1)) / Math.max(1, count - 1))],
  ).filter((sample) => sample !== undefined);
}

function sampleHtml({ step, score, tokens }: DemoSample): string {
  const verdict = score > 0 ? '<b class="good">right</b>' : '<b class="bad">wrong</b>';
  return `<section><header>step ${step} · ${verdict}</header><pre>${tokens.map(tokenHtml).join("")}</pre></section>`;
}

function tokenHtml({ text, logprob }: SampleToken): string {
  const shown = escapeHtml(text);
  if (logprob === null) return `<span class="given">${shown}</span>`;
  const percent = (Math.exp(logprob) * 100).toFixed(logprob > -0.01 ? 1 : 0);
  // A line break at a token's end would hide where the token ends.
  return `<span class="token" style="${tokenStyle(logprob)}" title="${percent} % · log-probability ${logprob.toFixed(3)}">${shown.replaceAll("\n", "↵\n")}</span>`;
}

/** Green where it was sure, through yellow, to red where it was unlikely. */
function tokenStyle(logprob: number): string {
  const hue = Math.round(140 * Math.exp(logprob));
  return `background:hsl(${hue} 75% 82%)`;
}
