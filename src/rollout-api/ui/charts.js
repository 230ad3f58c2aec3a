/** The page's charts, drawn as SVG at the size they have on the screen so that their text stays readable. */
import { formatClock, formatCount, formatScore } from "./format.js";

const MARGIN = { top: 12, right: 8, bottom: 20, left: 40 };

/** Draws `points` ([x, y] with x in milliseconds) as a line; `readAt` says what a place on it means. */
export function drawTimeChart(svg, points, { filled, stepped, readAt }) {
  const size = begin(svg);
  if (points.length === 0) return write(svg, size.width / 2, size.height / 2, "no data yet", "middle");
  const from = points[0][0];
  const to = Math.max(points.at(-1)[0], from + 1000);
  const values = points.map(([, value]) => value);
  const least = filled ? 0 : Math.min(...values);
  const ticks = niceTicks(least, Math.max(...values));
  const bottom = ticks[0];
  const top = ticks.at(-1);
  const x = (time) => size.left + ((time - from) / (to - from)) * size.innerWidth;
  const y = (value) => size.bottomLine - ((value - bottom) / (top - bottom)) * size.innerHeight;

  drawGrid(svg, size, ticks, y);
  write(svg, size.left, size.height - 4, formatClock(from));
  write(svg, size.width - MARGIN.right, size.height - 4, formatClock(to), "end");
  let path = "";
  for (const [index, [time, value]] of points.entries()) {
    const corner = stepped && index > 0 ? `H${x(time).toFixed(1)}` : "";
    path += `${index === 0 ? "M" : `${corner}L`}${x(time).toFixed(1)} ${y(value).toFixed(1)}`;
  }
  if (filled) {
    const area = `${path}L${x(points.at(-1)[0]).toFixed(1)} ${size.bottomLine}L${size.left} ${size.bottomLine}Z`;
    draw(svg, "path", { class: "area", d: area });
  }
  draw(svg, "path", { class: "line", d: path });

  const marker = draw(svg, "circle", { class: "marker", r: 4.5, visibility: "hidden" });
  const readout = write(svg, size.width - MARGIN.right, MARGIN.top - 2, "", "end");
  readout.setAttribute("class", "readout");
  const show = (event) => {
    const time = from + ((event.offsetX - size.left) / size.innerWidth) * (to - from);
    const [pointTime, value] = nearest(points, time);
    marker.setAttribute("cx", x(pointTime));
    marker.setAttribute("cy", y(value));
    marker.setAttribute("visibility", "visible");
    readout.textContent = readAt(pointTime, value);
  };
  svg.onpointermove = show;
  svg.onpointerdown = show;
  svg.onpointerleave = () => {
    marker.setAttribute("visibility", "hidden");
    readout.textContent = "";
  };
}

/** Draws `{from, to, counts, mean}` as bars with the mean marked; null draws a note. */
export function drawHistogram(svg, histogram) {
  const size = begin(svg);
  if (histogram === null) return write(svg, size.width / 2, size.height / 2, "no scores yet", "middle");
  const { from, to, counts, mean } = histogram;
  const ticks = niceTicks(0, Math.max(...counts));
  const y = (value) => size.bottomLine - (value / ticks.at(-1)) * size.innerHeight;
  drawGrid(svg, size, ticks, y);
  const slot = size.innerWidth / counts.length;
  for (const [index, count] of counts.entries()) {
    const x = size.left + index * slot + 1;
    const bar = { class: "bar", x, y: y(count), width: Math.max(1, slot - 2), rx: 1.5 };
    const drawn = draw(svg, "rect", { ...bar, height: Math.max(0, size.bottomLine - y(count)) });
    const edge = (at) => formatScore(from + ((to - from) * at) / counts.length);
    const title = draw(drawn, "title", {});
    title.textContent = `${edge(index)} to ${edge(index + 1)}: ${count}`;
  }
  const meanX = size.left + ((mean - from) / (to - from)) * size.innerWidth;
  draw(svg, "line", { class: "mean", x1: meanX, x2: meanX, y1: MARGIN.top, y2: size.bottomLine });
  for (const [share, anchor] of [
    [0, "start"],
    [0.5, "middle"],
    [1, "end"],
  ]) {
    const label = formatScore(from + (to - from) * share);
    write(svg, size.left + share * size.innerWidth, size.height - 4, label, anchor);
  }
}

function begin(svg) {
  const { width, height } = svg.getBoundingClientRect();
  svg.replaceChildren();
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  const innerWidth = Math.max(1, width - MARGIN.left - MARGIN.right);
  const innerHeight = Math.max(1, height - MARGIN.top - MARGIN.bottom);
  return { width, height, innerWidth, innerHeight, left: MARGIN.left, bottomLine: MARGIN.top + innerHeight };
}

function drawGrid(svg, size, ticks, y) {
  for (const tick of ticks) {
    const level = Math.round(y(tick)) + 0.5;
    const right = size.width - MARGIN.right;
    draw(svg, "line", { class: "grid", x1: size.left, x2: right, y1: level, y2: level });
    write(svg, size.left - 6, level + 4, formatCount(tick), "end");
  }
}

/** Round numbers from just below `least` to just above `most`: three to five, never all the same. */
function niceTicks(least, most) {
  const span = Math.max(most - least, 1);
  const magnitude = 10 ** Math.floor(Math.log10(span / 3));
  const factor = [1, 2, 5, 10].find((candidate) => span / (candidate * magnitude) <= 4) ?? 10;
  const interval = Math.max(1, factor * magnitude);
  const first = Math.floor(least / interval) * interval;
  const ticks = [first];
  while (ticks.at(-1) < most || ticks.length < 2) ticks.push(first + ticks.length * interval);
  return ticks;
}

function nearest(points, time) {
  let best = points[0];
  for (const point of points) if (Math.abs(point[0] - time) < Math.abs(best[0] - time)) best = point;
  return best;
}

function draw(parent, tag, attributes) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  parent.append(made);
  return made;
}

function write(svg, x, y, text, anchor = "start") {
  const made = draw(svg, "text", { x, y, "text-anchor": anchor });
  made.textContent = text;
  return made;
}
