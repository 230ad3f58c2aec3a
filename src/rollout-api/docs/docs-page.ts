/** The API's description as a page to read: plain HTML without scripts or outside parts. */

import type { InlinePage } from "../ui/inline-page.ts";
import { policyFor } from "../ui/inline-page.ts";
import type { OpenApiDocument, Operation } from "./open-api.ts";
import type { Schema } from "./schemas.ts";

const STYLE = `
:root { color-scheme: light dark; --ground: #f5f6f8; --panel: #fff; --ink: #161b22; --quiet: #5a6472; --line: #e1e5ea; --accent: #2f5fd0; }
@media (prefers-color-scheme: dark) { :root { --ground: #0e1116; --panel: #161b22; --ink: #e6eaf0; --quiet: #97a1ae; --line: #272e38; --accent: #7ea6ff; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 16px 20px 60px; max-width: 920px; background: var(--ground); color: var(--ink); font: 14px/1.5 system-ui, sans-serif; }
h1 { font-size: 22px; } h2 { margin: 28px 0 8px; font-size: 16px; }
a { color: var(--accent); }
details { margin: 6px 0; padding: 8px 12px; border: 1px solid var(--line); border-radius: 8px; background: var(--panel); }
summary { cursor: pointer; }
code, summary b { font-family: ui-monospace, Menlo, Consolas, monospace; }
summary span, .quiet { color: var(--quiet); }
table { width: 100%; border-collapse: collapse; }
td { padding: 4px 12px 4px 0; border-top: 1px solid var(--line); vertical-align: top; overflow-wrap: anywhere; }
td:first-child { white-space: nowrap; }
`;

const AUDIENCES: Readonly<Record<string, string>> = {
  trainer: "For trainers",
  env: "For environments",
  reader: "For everybody with a token",
  admin: "For admins",
  server: "The server itself",
};

export function docsPage(api: OpenApiDocument): InlinePage {
  const operations = Object.entries(api.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
  );
  const sections = Object.entries(AUDIENCES).map(([tag, title]) => {
    const own = operations.filter(({ operation }) => operation.tags.includes(tag));
    return own.length === 0 ? "" : `<h2>${title}</h2>${own.map(describeOperation).join("")}`;
  });
  const shapes = Object.entries(api.components.schemas).map(
    ([name, schema]) =>
      `<details id="${escapeHtml(name)}"><summary><b>${escapeHtml(name)}</b></summary>${describeFields(schema)}</details>`,
  );
  const html = `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>${escapeHtml(api.info.title)}</title><link rel="icon" href="data:,"><style>${STYLE}</style></head><body>
<h1>${escapeHtml(api.info.title)} <span class="quiet">${escapeHtml(api.info.version)}</span></h1>
<p>${escapeHtml(api.info.description)} Machines read <a href="openapi.json">openapi.json</a>; people may like the <a href="ui">live page</a>.</p>
${sections.join("\n")}
<h2>Bodies</h2>
${shapes.join("\n")}
</body></html>`;
  return { html, contentSecurityPolicy: policyFor({ style: STYLE }) };
}

function describeOperation({
  path,
  method,
  operation,
}: {
  path: string;
  method: string;
  operation: Operation;
}): string {
  const rows = [
    ...(operation.parameters ?? []).map(({ name, description }) => [`?${name}`, description]),
    ...(operation.requestBody ? [["body", schemaText(operation.requestBody)]] : []),
    ...Object.entries(operation.responses).map(([status, { description }]) => [status, description]),
  ].map(([name, text]) => `<tr><td><code>${escapeHtml(name)}</code></td><td>${linked(text)}</td></tr>`);
  return `<details><summary><b>${method.toUpperCase()} ${escapeHtml(path)}</b> <span>${escapeHtml(operation.summary)}</span></summary><table>${rows.join("")}</table></details>`;
}

function describeFields({ properties, required }: Schema): string {
  const isRequired = (name: string) => Array.isArray(required) && required.includes(name);
  const rows = Object.entries(typeof properties === "object" && properties !== null ? properties : {}).map(
    ([name, schema]) =>
      `<tr><td><code>${escapeHtml(name)}</code></td><td>${escapeHtml(typeText(schema))}${isRequired(name) ? "" : ", optional"}</td><td>${escapeHtml(notesOf(schema))}</td></tr>`,
  );
  return `<table>${rows.join("")}</table>`;
}

/** The type in words: "list of list of integer". */
function typeText(schema: unknown): string {
  if (typeof schema !== "object" || schema === null) return "any";
  const { type, items, anyOf } = { type: undefined, items: undefined, anyOf: undefined, ...schema };
  if (Array.isArray(anyOf)) return typeText(anyOf[0]);
  if (type === "array") return `list of ${typeText(items)}`;
  return typeof type === "string" ? type : "any";
}

function notesOf(schema: unknown): string {
  if (typeof schema !== "object" || schema === null) return "";
  const { description, anyOf } = { description: undefined, anyOf: undefined, ...schema };
  if (typeof description === "string") return description;
  return Array.isArray(anyOf) ? notesOf(anyOf[0]) : "";
}

/** The name of the schema that a body refers to. */
function schemaText(body: Schema): string {
  const [, name = ""] = /"#\/components\/schemas\/(\w+)"/.exec(JSON.stringify(body)) ?? [];
  return JSON.stringify(body).includes('"items"') ? `list of #${name}` : `#${name}`;
}

/** Escaped text in which #Name leads to a body's description. */
function linked(text: unknown): string {
  return escapeHtml(text).replace(/#([A-Z]\w+)/g, '<a href="#$1">$1</a>');
}

function escapeHtml(text: unknown): string {
  const entities: Readonly<Record<string, string>> = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    '"': "&quot;",
  };
  return String(text ?? "").replace(/[&<>"]/g, (character) => entities[character] ?? character);
}
