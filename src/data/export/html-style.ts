/** Colours of the live page; readable on a phone, in the dark and on paper. */
export const pageStyle = `
:root { color-scheme: light dark; --ground: #f5f6f8; --panel: #fff; --ink: #161b22; --quiet: #5a6472; --line: #e1e5ea; --code: #f0f2f5; --accent: #2f5fd0; --good: #1a7f4b; --bad: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --ground: #0e1116; --panel: #161b22; --ink: #e6eaf0; --quiet: #97a1ae; --line: #272e38; --code: #0e1116; --accent: #7ea6ff; --good: #5cc98c; --bad: #ff8a80; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 16px 16px 48px; max-width: 960px; background: var(--ground); color: var(--ink); font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", sans-serif; }
h1 { margin: 0; font-size: 20px; overflow-wrap: anywhere; }
h3 { margin: 0 0 4px; font-size: 13px; color: var(--quiet); }
p { margin: 4px 0; }
.quiet, .facts { color: var(--quiet); font-size: 13px; }
.facts span { display: inline-block; margin-right: 10px; }
.facts b { color: var(--ink); font-weight: 500; overflow-wrap: anywhere; }
summary { cursor: pointer; overflow-wrap: anywhere; }
summary:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; border-radius: 4px; }
.group { margin: 10px 0; padding: 10px 14px; background: var(--panel); border: 1px solid var(--line); border-radius: 8px; content-visibility: auto; contain-intrinsic-size: auto 48px; }
.group > summary .start, .sample > summary .start { color: var(--quiet); }
.score { display: inline-block; min-width: 2.2em; padding: 0 6px; border: 1px solid currentColor; border-radius: 999px; text-align: center; font-size: 13px; font-variant-numeric: tabular-nums; font-weight: 600; }
.score.reward-positive { color: var(--good); }
.score.reward-negative { color: var(--bad); }
.score.reward-zero { color: var(--quiet); }
.prompt, .sample { margin: 10px 0 0; padding: 8px 0 2px 12px; border-left: 4px solid var(--line); }
.sample.reward-positive { border-color: var(--good); }
.sample.reward-negative { border-color: var(--bad); }
.sample.reward-zero { border-color: var(--quiet); }
.message { margin: 10px 0; }
.message.assistant > h3 { color: var(--accent); }
.text { white-space: pre-wrap; overflow-wrap: anywhere; unicode-bidi: isolate; }
pre { margin: 4px 0; padding: 8px 10px; max-height: 32em; overflow: auto; background: var(--code); border: 1px solid var(--line); border-radius: 6px; white-space: pre-wrap; overflow-wrap: anywhere; font: 13px/1.45 ui-monospace, "SF Mono", Menlo, Consolas, "Liberation Mono", monospace; unicode-bidi: isolate; }
.thought { margin: 4px 0; color: var(--quiet); font-size: 14px; }
.thought[open] > summary bdi { display: none; }
.call { margin: 6px 0; font-size: 14px; }
dl { display: grid; grid-template-columns: fit-content(40%) minmax(0, 1fr); gap: 2px 10px; margin: 2px 0; }
dt { grid-column: 1; align-self: center; color: var(--quiet); font-size: 12px; overflow-wrap: anywhere; }
dd { grid-column: 1 / -1; margin: 0; }
dd.short { grid-column: 2; overflow-wrap: anywhere; font: 13px/1.45 ui-monospace, "SF Mono", Menlo, Consolas, "Liberation Mono", monospace; }
@media print { .group { break-inside: avoid; } pre { max-height: none; } }
`;
