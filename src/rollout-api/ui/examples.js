/**
 * The latest examples: a list, and one of them to read. The newest is shown until the reader picks one; a
 * picked one stays, also when it has left the list.
 */
import { element, formatClock, formatCount, formatScore } from "./format.js";

const reader = { examples: [], picked: null, sequence: 0, shown: "" };

/** To begin with another run. */
export function forgetExamples() {
  reader.picked = null;
  reader.sequence = 0;
  reader.shown = "";
  showExamples([]);
}

export function showExamples(examples) {
  reader.examples = examples.toReversed();
  drawExamples();
}

function drawExamples() {
  const { examples, picked } = reader;
  const current = picked ?? examples[0];
  document.getElementById("follow").hidden = picked === null;
  document.getElementById("example-list").replaceChildren(
    ...examples.map((example) => {
      const scores = example.sequences.map(({ score }) => formatScore(score)).join(" ");
      const button = element("button", "", example.env ?? "no environment");
      button.type = "button";
      button.append(element("small", "", `${formatClock(example.time)} · ${scores}`));
      button.setAttribute("aria-current", String(example.id === current?.id));
      button.onclick = () => pick(example);
      return element("li", "", button);
    }),
  );
  if (current === undefined) {
    reader.shown = "";
    const note = "No group with messages has come yet (environments send them with include_messages).";
    document.getElementById("example").replaceChildren(element("p", "none", note));
    return;
  }
  // What stays is not drawn anew, so that its scrolling and a selection of its text stay too.
  const identity = `${current.id}/${reader.sequence}`;
  if (reader.shown === identity) return;
  reader.shown = identity;
  document.getElementById("example").replaceChildren(...readable(current));
}

function pick(example, sequence = 0) {
  reader.picked = example;
  reader.sequence = sequence;
  drawExamples();
}

function readable(example) {
  const chosen = example.sequences[reader.sequence] ?? example.sequences[0];
  const tabs = example.sequences.map((sequence, index) => {
    const tab = element("button", "", `score ${formatScore(sequence.score)}`);
    tab.type = "button";
    tab.setAttribute("aria-pressed", String(sequence === chosen));
    tab.onclick = () => pick(example, index);
    return tab;
  });
  const more = example.size - example.sequences.length;
  const rest = more > 0 ? `and ${formatCount(more)} more sequences` : "";
  const messages = (chosen?.messages ?? []).map(({ role, text }) =>
    element(
      "div",
      role === "assistant" ? "message assistant" : "message",
      element("b", "", role),
      element("pre", "", text),
    ),
  );
  return [
    element("div", "tabs", ...tabs, rest, element("span", "at", `step ${formatCount(example.step)}`)),
    element("div", "messages", ...messages),
  ];
}

document.getElementById("follow").addEventListener("click", () => {
  reader.picked = null;
  reader.sequence = 0;
  drawExamples();
});
