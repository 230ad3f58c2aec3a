/** The page: follows one run and draws what comes. */
import { drawHistogram, drawTimeChart } from "./charts.js";
import { forgetExamples, showExamples } from "./examples.js";
import { followRun } from "./feed.js";
import { element, formatBytes, formatClock, formatCount, formatDuration, formatScore } from "./format.js";

const TOKEN_KEY = "lachesis-token";
const MOST_POINTS = 1600;
const byId = (id) => document.getElementById(id);

/** What is known of the run; every message replaces some of it. */
let view = {};
let following = new AbortController();

function follow() {
  following.abort();
  following = new AbortController();
  view = {};
  const run = new URLSearchParams(location.hash.slice(1)).get("run") || "default";
  forgetExamples();
  const token = sessionStorage.getItem(TOKEN_KEY);
  void followRun({
    run,
    token,
    signal: following.signal,
    onState: (state) => showState(state, token !== null),
    onView: (changes) => {
      const series = changes.point ? thinned([...(view.series ?? []), changes.point]) : undefined;
      view = { ...view, ...(series && { series }), ...changes };
      showRuns(view.runs ?? [], run);
      requestAnimationFrame(show);
    },
  });
}

/** A page that stays open gets a point every second: the older ones stand wider apart. */
function thinned(points) {
  if (points.length <= MOST_POINTS) return points;
  return points.filter((_, index) => index % 2 === 0 || index > points.length - MOST_POINTS / 4);
}

function showState(state, hadToken) {
  const refused = state === "refused";
  byId("connection").dataset.state = state;
  byId("connection").textContent = refused ? "no access" : state;
  byId("access").hidden = !refused;
  byId("main").hidden = refused;
  if (!refused) return;
  byId("access-reason").textContent = hadToken
    ? "This token may not see the server's data. Enter another:"
    : "This server wants a token.";
  byId("token").focus();
}

function showRuns(names, current) {
  const select = byId("run");
  const known = names.includes(current) ? names : [current, ...names];
  if ([...select.options].map(({ value }) => value).join("\n") !== known.join("\n")) {
    select.replaceChildren(...known.map((name) => new Option(name, name, false, name === current)));
  }
  select.value = current;
}

function show() {
  const { overview, series = [], scores = null, batches = [], examples = [] } = view;
  showNotice(overview);
  if (overview === undefined) return;
  showTiles(overview, batches);
  const queue = series.map(([time, queued]) => [time, queued]);
  const step = series.map(([time, , value]) => [time, value]);
  const read = (unit) => (time, value) => `${formatClock(time)}  ${formatCount(value)} ${unit}`;
  drawTimeChart(byId("queue-chart"), queue, { filled: true, stepped: false, readAt: read("groups") });
  drawTimeChart(byId("step-chart"), step, { filled: false, stepped: true, readAt: read("steps") });
  drawHistogram(byId("score-chart"), scores);
  byId("score-summary").textContent =
    scores === null ? "" : `mean ${formatScore(scores.mean)} of ${formatCount(scores.count)}`;
  showEnvs(overview);
  showBatches(batches);
  showExamples(examples);
}

function showNotice({ registered, started, envs } = { registered: false }) {
  const text = !registered
    ? "No trainer has registered yet: groups are kept until one does."
    : !started
      ? "A trainer has registered and has not asked for a batch yet: environments wait for that."
      : envs.length === 0
        ? "No environment has joined yet."
        : "";
  byId("notice").textContent = text;
  byId("notice").hidden = text === "";
}

function showTiles({ totals, ...overview }, batches) {
  const { oldestQueuedMs: oldest, batchSize, waitingBatches } = overview;
  const last = batches.at(-1);
  const tiles = [
    [
      "Step",
      formatCount(overview.currentStep),
      batchSize < 0 ? "" : `${formatCount(batchSize)} sequences a batch`,
    ],
    [
      "Groups queued",
      formatCount(overview.queuedGroups),
      oldest === null ? "" : `${formatBytes(overview.queuedBytes)} · oldest ${formatDuration(oldest)}`,
    ],
    ["Groups received", formatCount(totals.groupsIn), `${formatCount(totals.sequencesIn)} sequences`],
    ["Batches taken", formatCount(totals.batchesOut), `${formatCount(totals.groupsOut)} groups`],
    ["Batches leased", formatCount(overview.openLeases), `${formatCount(waitingBatches)} more formed`],
    ["Staleness", formatCount(last?.staleness), last === undefined ? "no batch yet" : "steps, last batch"],
  ];
  byId("tiles").replaceChildren(
    ...tiles.map(([name, value, more]) =>
      element("div", "", element("dt", "", name), element("dd", "value", value), element("dd", "more", more)),
    ),
  );
}

function showEnvs({ time, envs }) {
  const columns = [
    ["name", ({ wandbName }) => wandbName, "name"],
    ["state", stateOf, (env) => `state-${stateOf(env)}`],
    ["weight", ({ weight }) => String(Number(weight.toPrecision(3)))],
    ["last seen", ({ lastSeenAt }) => `${formatDuration(Math.max(0, time - lastSeenAt))} ago`],
    ["size", ({ groupSize }) => formatCount(groupSize), "minor"],
    ["received", ({ groupsIn }) => formatCount(groupsIn), "minor"],
    ["queued", ({ queuedGroups }) => formatCount(queuedGroups), "minor"],
  ];
  fillTable(byId("envs"), columns, envs, "none has joined");
}

function stateOf({ connected, stale }) {
  return !connected ? "left" : stale ? "stale" : "connected";
}

function showBatches(batches) {
  const columns = [
    ["served", ({ time }) => formatClock(time)],
    ["step", ({ step }) => formatCount(step)],
    ["groups", ({ groups }) => formatCount(groups), "minor"],
    ["sequences", ({ sequences }) => formatCount(sequences), "minor"],
    ["score", ({ meanScore }) => formatScore(meanScore)],
    ["age", ({ ageMs }) => formatDuration(ageMs)],
    ["stale", ({ staleness }) => `${formatCount(staleness)} ${staleness === 1 ? "step" : "steps"}`],
  ];
  fillTable(byId("batches"), columns, batches.toReversed(), "none yet");
}

/** A column is its name, what its cells say, and their class (or what makes it). */
function fillTable(table, columns, rows, empty) {
  const classOf = (kind, row) => (typeof kind === "function" ? kind(row) : kind);
  const head = columns.map(([name, , kind]) => element("th", typeof kind === "string" ? kind : "", name));
  const cellsOf = (row) => columns.map(([, text, kind]) => element("td", classOf(kind, row), text(row)));
  const none = element("td", "empty", empty);
  none.colSpan = columns.length;
  const body = rows.length > 0 ? rows.map(cellsOf) : [[none]];
  table.replaceChildren(
    element("thead", "", element("tr", "", ...head)),
    element("tbody", "", ...body.map((cells) => element("tr", "", ...cells))),
  );
}

byId("run").addEventListener("change", () => {
  location.hash = `run=${encodeURIComponent(byId("run").value)}`;
});
byId("access").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem(TOKEN_KEY, byId("token").value.trim());
  follow();
});
addEventListener("hashchange", follow);
addEventListener("resize", show);
follow();
