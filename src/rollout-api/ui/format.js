/** Numbers for people, and elements that hold text. Text is only ever set as text, never as HTML. */

export function formatCount(value) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  if (Math.abs(value) >= 1e6) return `${trim(value / 1e6)} M`;
  if (Math.abs(value) >= 1e4) return `${trim(value / 1e3)} k`;
  return trim(value);
}

export function formatBytes(bytes) {
  if (bytes >= 1e9) return `${trim(bytes / 1e9)} GB`;
  if (bytes >= 1e6) return `${trim(bytes / 1e6)} MB`;
  return bytes >= 1e3 ? `${trim(bytes / 1e3)} kB` : `${bytes} B`;
}

export function formatDuration(milliseconds) {
  if (milliseconds === null || milliseconds === undefined) return "–";
  const seconds = milliseconds / 1000;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 100) return `${Math.round(seconds)} s`;
  if (seconds < 6000) return `${Math.round(seconds / 60)} min`;
  return seconds < 172_800 ? `${trim(seconds / 3600)} h` : `${trim(seconds / 86_400)} d`;
}

export function formatScore(score) {
  if (score === null || score === undefined) return "–";
  return Math.abs(score) >= 1e4 ? score.toExponential(2) : score.toFixed(2);
}

export function formatClock(timeMs) {
  return new Date(timeMs).toLocaleTimeString([], { hourCycle: "h23" });
}

/** At most one digit after the point. */
function trim(value) {
  return String(Number(value.toFixed(1)));
}

/** An element with a class and children; strings become text nodes. */
export function element(tag, className, ...children) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...children);
  return made;
}
