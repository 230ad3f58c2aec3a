/**
 * Makes one self-contained HTML page of page.html, its styles and its scripts, and the policy that lets a
 * browser run nothing else: a page that shows what models wrote must not run it.
 *
 * The scripts are ES modules, so that editors and linters understand them; in the page they are one. For that
 * their own imports and the word `export` go, and no two may declare the same name.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";

export type InlinePage = { html: string; contentSecurityPolicy: string };

/** Headers of every page, beside its policy. */
export const PAGE_HEADERS = {
  "content-type": "text/html; charset=utf-8",
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cache-control": "no-cache",
};

/** In the order of their imports. */
const SCRIPTS = ["format.js", "charts.js", "feed.js", "examples.js", "page.js"];

/** Reads the parts from this folder. */
export function readUiPage(): InlinePage {
  const read = (name: string) => readFileSync(join(import.meta.dirname, name), "utf8");
  const style = read("page.css");
  const script = SCRIPTS.map((name) => withoutModuleSyntax(read(name))).join("\n");
  const html = read("page.html")
    .replace("/*{{page.css}}*/", () => style)
    .replace("/*{{page.js}}*/", () => script);
  return { html, contentSecurityPolicy: policyFor({ style, script }) };
}

/** The policy of a page with these inline parts; it may talk to its own server only. */
export function policyFor({ style, script }: { style: string; script?: string }): string {
  const scripts = script === undefined ? "'none'" : `'${hashOf(script)}'`;
  return [
    "default-src 'none'",
    `script-src ${scripts}`,
    `style-src '${hashOf(style)}'`,
    "connect-src 'self'",
    "img-src data:",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join("; ");
}

function withoutModuleSyntax(source: string): string {
  return source.replace(/^import\s[^;]*;\n/gm, "").replace(/^export /gm, "");
}

function hashOf(text: string): string {
  return `sha256-${createHash("sha256").update(text).digest("base64")}`;
}
