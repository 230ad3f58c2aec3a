/** The page of groups: everything that was said can be read, and none of it runs. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import fc from "fast-check";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { exportGroups } from "../../../src/data/export/export-groups.ts";
import { HtmlFile } from "../../../src/data/export/html-file.ts";
import { scoreText } from "../../../src/data/export/html-group.ts";
import { lineHtml, safeText, TextBudget, textHtml } from "../../../src/data/export/html-text.ts";
import { type FilterRules, noRules } from "../../../src/data/group-filter.ts";
import { chromiumMissing, hasChromium, launchChromium } from "../../support/browser.ts";
import { TemporaryDirectory } from "../../support/temporary-directory.ts";

const budget = () => new TextBudget(1_000_000);

/** Everything that HTML could take for something else. */
const attacks = [
  `<script>document.title = "taken over"</script>`,
  `</pre></code></div></details><img src=x onerror="document.title='taken over'">`,
  "```html\n</code></pre><script>document.title = 'taken over'</script>\n```\nafter",
  `<style>* { display: none }</style><meta http-equiv="refresh" content="0;url=http://127.0.0.1:9/">`,
  `<a href="javascript:document.title='taken over'">x</a><iframe src="http://127.0.0.1:9/"></iframe>`,
  `"'--><svg onload="document.title='taken over'">`,
];

function hostileGroup(): string {
  const messages = attacks.map((attack) => [
    { role: "user", content: "Who is there?" },
    {
      role: "assistant",
      content: attack,
      reasoning_content: attack,
      tool_calls: [
        { id: "1", function: { name: attack, arguments: attack } },
        {
          id: "2",
          function: { name: "python", arguments: JSON.stringify({ code: `a\n${attack}`, [attack]: attack }) },
        },
      ],
    },
    { role: "tool", tool_call_id: "1", content: attack },
    {
      role: attack,
      content: [
        { type: "text", text: attack },
        { type: attack, image_url: { url: attack } },
      ],
    },
    { role: "assistant", content: attack },
  ]);
  const scores = attacks.map((_, index) => index - 2);
  return JSON.stringify({
    tokens: scores.map(() => [1, 2]),
    masks: scores.map(() => [-100, 2]),
    scores,
    messages,
    generation_params: { [attacks[0] ?? ""]: attacks[1] },
  });
}

async function writePage(directory: string, lines: readonly string[], rules: FilterRules = noRules) {
  const source = join(directory, "groups.jsonl");
  const path = join(directory, "groups.html");
  await writeFile(source, `${lines.join("\n")}\n`);
  const signal = new AbortController().signal;
  const format = { pairs: 1, minGap: 0, seed: 0, now: "", model: "" };
  const files = [{ container: "html" as const, path }];
  const report = await exportGroups({ ...format, sources: [source], files, rules, signal });
  return { path, report, html: await readFile(path, "utf8") };
}

test("fenced code stands apart to the letter, open fences end with the text, the rest is as it was written", () => {
  expect(textHtml("Look:\n\n```py\nif a < b:\n  ~~~\n```\nDone.", budget())).toBe(
    '<div class="text" dir="auto">Look:</div><pre><code>if a &lt; b:\n  ~~~</code></pre><div class="text" dir="auto">Done.</div>',
  );
  expect(textHtml("~~~~\na\n~~~", budget())).toBe("<pre><code>a\n~~~</code></pre>");
  expect(textHtml("| a | b |\n  **x**", budget())).toBe(
    '<div class="text" dir="auto">| a | b |\n  **x**</div>',
  );
  expect(textHtml("", budget())).toBe("");
});

test("control characters can be seen, halves of characters do no harm", () => {
  expect(safeText("a\u0000b\u001b[31m\r\n\rc\u007f\t\ud800")).toBe("a␀b␛[31m\n␍c␡\t\ufffd");
  expect(lineHtml("👍".repeat(9), 3)).toBe("<bdi>👍👍👍…</bdi>");
});

test("no text gets out of its place, whatever it is", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      const bare = textHtml(`<&"'${text}`, budget()).replaceAll(
        /<\/?(?:div|pre|code|p)(?: class="\w+")?(?: dir="auto")?>/g,
        "",
      );
      expect(bare).not.toMatch(/[<>"']/);
    }),
  );
});

test("long texts are cut and say so; a group has so much to show", () => {
  expect(textHtml("x".repeat(30_000), budget())).toContain("… 10,000 more characters");
  const small = new TextBudget(10);
  textHtml("x".repeat(8), small);
  expect(textHtml("abc👍", small)).toBe(
    '<div class="text" dir="auto">ab</div><p class="quiet">… 3 more characters</p>',
  );
  expect(textHtml("y", small)).toBe('<p class="quiet">… 1 more characters</p>');
});

test.each([
  [1, "1"],
  [-0.5, "−0.5"],
  [0.123456, "0.1235"],
  [-0.00000012, "−1.2e-7"],
])("a score of %d is written %s", (score, text) => {
  expect(scoreText(score)).toBe(text);
});

test("a page says what is in it, after the filters; groups without messages are there, too", async () => {
  await using directory = await TemporaryDirectory.make();
  const bare = JSON.stringify({ tokens: [[1, 2], [3]], masks: [[-100, 2], [3]], scores: [1, -1] });
  const { html, report } = await writePage(directory.path, [hostileGroup(), bare], {
    ...noRules,
    minScore: -1,
  });
  expect(html).toContain("2 groups, 7 samples, mean score 0.7143: 4 above zero, 1 zero, 2 below.");
  expect(html).toContain("No messages were saved: 2 tokens in 1 sequence.");
  expect(html.match(/<details class="sample reward-negative">/g)).toHaveLength(2);
  expect(report.files).toMatchObject([{ container: "html", lines: 2 }]);
  const nothing = await writePage(directory.path, [bare], { ...noRules, minScore: 9 });
  expect(nothing.html).toContain("No groups.");
});

test("a group of very many messages or fields ends somewhere", async () => {
  await using directory = await TemporaryDirectory.make();
  const many = Array.from({ length: 60_000 }, (_, index) => ({ role: "assistant", content: `${index}` }));
  const fields = `{${Array.from({ length: 100_000 }, (_, index) => `"key ${index}":1`).join(",")}}`;
  const wide = [
    { role: "user", content: "?" },
    { role: "tool", content: fields },
  ];
  const line = JSON.stringify({
    tokens: [[1], [1]],
    masks: [[1], [1]],
    scores: [1, 0],
    messages: [wide, many],
  });
  const { html } = await writePage(directory.path, [line]);
  expect(html).toContain("more characters</p>");
  expect(html).toMatch(/… \d{5} more messages<\/p>/);
  expect(html.length).toBeLessThan(8_000_000);
});

test("a page that would be too large stops taking groups, and says how many are left", async () => {
  await using directory = await TemporaryDirectory.make();
  const path = join(directory.path, "page.html");
  const page = await HtmlFile.create(path, { title: "a & b", characters: 15 });
  for (let count = 0; count < 5; count++) page.add({ scores: [1], html: (number) => `<p>no ${number}</p>` });
  await page.close();
  const html = await readFile(path, "utf8");
  expect(html).toContain("<title>a &amp; b</title>");
  expect(html).toContain("5 groups, 5 samples, mean score 1");
  expect(html).toContain("The page has the first 2; 3 more would make it too large");
  expect(html).not.toContain("no 3");
});

describe.skipIf(!hasChromium)(`in a browser (${chromiumMissing})`, () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launchChromium();
  });
  afterAll(() => browser.close());

  async function openPage(path: string, options: Parameters<Browser["newPage"]>[0]) {
    const page = await browser.newPage(options);
    const heard: string[] = [];
    page.on("pageerror", (error) => heard.push(error.message));
    page.on("console", (message) => heard.push(message.text()));
    page.on("request", (request) => heard.push(request.url()));
    const url = pathToFileURL(path).href;
    await page.goto(url);
    return { page, heard, url, [Symbol.asyncDispose]: () => page.close() };
  }

  /** A click opens what is asked for; the others are opened at once, as clicking takes its time. */
  const openAll = async (page: Page) => {
    await page.locator("details.group > summary").first().click();
    await page.locator("details.sample > summary").first().click();
    await page.locator("article.assistant").first().waitFor();
    await page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true");
  };

  test.each(["light", "dark"] as const)(
    "hostile text is read on a phone, and nothing of it runs (%s)",
    async (colorScheme) => {
      await using directory = await TemporaryDirectory.make();
      const { path } = await writePage(directory.path, [hostileGroup()]);
      await using opened = await openPage(path, { viewport: { width: 390, height: 800 }, colorScheme });
      const { page, heard, url } = opened;
      expect(await page.locator("article").first().isVisible()).toBe(false);
      await openAll(page);
      const shown = await page.locator("main").innerText();
      for (const attack of attacks.filter((each) => !each.includes("```"))) expect(shown).toContain(attack);
      expect(shown).toContain("</code></pre><script>document.title = 'taken over'</script>\n");
      expect(await page.title()).toBe("groups");
      expect(await page.locator("script, img, iframe, svg, a, main style, main meta").count()).toBe(0);
      expect(await page.evaluate("document.documentElement.scrollWidth")).toBe(390);
      expect(heard).toEqual([url]);
    },
  );
});
