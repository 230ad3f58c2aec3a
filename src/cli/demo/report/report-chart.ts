/** Curves over training steps as an SVG: lines in 0..1, levels to compare with, and points with whiskers. */
import { escapeHtml } from "../../../contracts/escape-html.ts";

export type Curve = { name: string; color: string; points: readonly { x: number; y: number }[] };
export type Level = { name: string; color: string; y: number };
export type Mark = { x: number; y: number; low: number; high: number; name: string; color: string };

const size = { width: 860, height: 320 };
const area = { left: 52, top: 14, right: 150, bottom: 40 };
const plot = {
  width: size.width - area.left - area.right,
  height: size.height - area.top - area.bottom,
};

export function lineChart({
  curves,
  levels,
  marks,
  lastStep,
}: {
  curves: readonly Curve[];
  levels: readonly Level[];
  marks: readonly Mark[];
  lastStep: number;
}): string {
  const x = (step: number) => area.left + (step / Math.max(1, lastStep)) * plot.width;
  const y = (share: number) => area.top + (1 - share) * plot.height;
  const shares = [0, 0.25, 0.5, 0.75, 1];
  const every = Math.max(1, Math.ceil(lastStep / 5 / 5) * 5);
  const steps = Array.from({ length: Math.floor(lastStep / every) + 1 }, (_, index) => index * every);
  const grid = [
    ...shares.map(
      (share) =>
        `<line class="grid" x1="${area.left}" x2="${area.left + plot.width}" y1="${y(share)}" y2="${y(share)}"/>` +
        `<text class="axis" x="${area.left - 8}" y="${y(share) + 4}" text-anchor="end">${share * 100} %</text>`,
    ),
    ...steps.map(
      (step) =>
        `<text class="axis" x="${x(step)}" y="${area.top + plot.height + 18}" text-anchor="middle">${step}</text>`,
    ),
    `<text class="axis" x="${area.left + plot.width / 2}" y="${size.height - 6}" text-anchor="middle">training step</text>`,
  ];
  const lines = levels.map(
    (level) =>
      `<line x1="${area.left}" x2="${area.left + plot.width}" y1="${y(level.y)}" y2="${y(level.y)}" stroke="${level.color}" stroke-dasharray="5 5"/>`,
  );
  const paths = curves.map(({ color, points }) => {
    const path = points.map((point) => `${x(point.x).toFixed(1)},${y(point.y).toFixed(1)}`).join(" ");
    return `<polyline fill="none" stroke="${color}" stroke-width="2" stroke-linejoin="round" points="${path}"/>`;
  });
  const whiskers = marks.map(
    (mark) =>
      `<g stroke="${mark.color}" stroke-width="2"><line x1="${x(mark.x)}" x2="${x(mark.x)}" y1="${y(mark.low)}" y2="${y(mark.high)}"/>` +
      `<line x1="${x(mark.x) - 5}" x2="${x(mark.x) + 5}" y1="${y(mark.low)}" y2="${y(mark.low)}"/>` +
      `<line x1="${x(mark.x) - 5}" x2="${x(mark.x) + 5}" y1="${y(mark.high)}" y2="${y(mark.high)}"/>` +
      `<circle cx="${x(mark.x)}" cy="${y(mark.y)}" r="4.5" fill="${mark.color}"><title>${escapeHtml(mark.name)}</title></circle></g>`,
  );
  return `<svg viewBox="0 0 ${size.width} ${size.height}" role="img" aria-label="Learning curve">${[
    ...grid,
    ...lines,
    ...paths,
    ...whiskers,
    ...labels({ curves, levels, y }),
  ].join("")}</svg>`;
}

/** Names at the right end, pushed apart where they would overlap. */
function labels({
  curves,
  levels,
  y,
}: {
  curves: readonly Curve[];
  levels: readonly Level[];
  y: (share: number) => number;
}): string[] {
  const wanted = [
    ...curves.flatMap(({ name, color, points }) =>
      points.slice(-1).map((end) => ({ name, color, at: y(end.y) })),
    ),
    ...levels.map(({ name, color, y: share }) => ({ name, color, at: y(share) })),
  ].sort((one, other) => one.at - other.at);
  let last = Number.NEGATIVE_INFINITY;
  return wanted.map(({ name, color, at }) => {
    last = Math.max(at + 4, last + 16);
    return `<text class="name" x="${area.left + plot.width + 10}" y="${last.toFixed(1)}" fill="${color}">${escapeHtml(name)}</text>`;
  });
}
