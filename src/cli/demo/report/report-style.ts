export const reportStyle = `
:root { color-scheme: light; font: 15px/1.5 system-ui, sans-serif; color: #1c2024; background: #fbfbfa; }
main { max-width: 900px; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; margin: 0; }
h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; }
.dim { color: #5c6670; }
.tiles { display: flex; flex-wrap: wrap; gap: .75rem; margin: 1.2rem 0 .6rem; }
.tiles div { flex: 1 1 130px; background: #fff; border: 1px solid #e3e5e8; border-radius: 8px; padding: .7rem .9rem; }
.tiles b { display: block; font-size: 1.7rem; line-height: 1.2; }
.tiles span { display: block; color: #5c6670; font-size: .85rem; }
.chart { overflow-x: auto; }
svg { display: block; box-sizing: border-box; width: 100%; min-width: 640px; background: #fff; border: 1px solid #e3e5e8; border-radius: 8px; }
svg .grid { stroke: #eceef0; }
svg .axis { font-size: 12px; fill: #5c6670; }
svg .name { font-size: 13px; font-weight: 600; }
section { background: #fff; border: 1px solid #e3e5e8; border-radius: 8px; margin: .6rem 0; padding: .5rem .9rem; }
section header { color: #5c6670; font-size: .85rem; }
pre { font: 13px/1.7 ui-monospace, monospace; white-space: pre-wrap; overflow-wrap: anywhere; margin: .2rem 0; }
.given { color: #8b949e; }
.token { border-radius: 3px; padding: 1px 0; box-shadow: inset -1px 0 #fff; color: #1c2024; }
.good { color: #1a7f4b; }
.bad { color: #b3261e; }
`;
