import { describe, expect, test } from "vitest";
import { htmlToMarkdown } from "../../../src/tools/web/html-to-markdown.ts";
import { expectLinear } from "../../support/linear-time.ts";

const markdown = (html: string) => htmlToMarkdown(html, "https://example.org/dir/page").markdown;

describe("a page as markdown", () => {
  test.each<[string, string, string]>([
    [
      "headings and paragraphs",
      "<h1>A <em>b</em></h1><p>one\n two</p><p>three",
      "# A *b*\n\none two\n\nthree",
    ],
    ["links, made whole", '<a href="../x?a=1&amp;b">go</a>', "[go](https://example.org/x?a=1&b)"],
    ["links of scripts as their text", '<a href="javascript:evil()">go</a>', "go"],
    ["lists in lists", "<ul><li>a<ol><li><p>b</p><li>c</ol><li>d</ul>", "- a\n  1. b\n  2. c\n- d"],
    ["code as it is", "<pre><code>if a &lt; b:\n    x  y</code></pre>", "```\nif a < b:\n    x  y\n```"],
    [
      "tables",
      "<table><tr><th>a<th>b<tr><td>1|2<td><p>x</p></tr></table>",
      "| a | b |\n| --- | --- |\n| 1\\|2 | x |",
    ],
    ["quotes", "<blockquote><p>a<p>b</blockquote>c", "> a\n>\n> b\n\nc"],
    [
      "pictures, without embedded data",
      '<img src=i.png alt=P><img src="data:image/png;base64,AA" alt=Q>',
      "![P](https://example.org/dir/i.png)",
    ],
    [
      "no scripts, styles, navigation",
      "<style>p{}</style><script>if(a<b)'</p>'</script><nav><a href=/>h</a></nav>x",
      "x",
    ],
    ["entities", "&lt;b&gt; &copy; &#x263a; &#128512; &nosuch; &eacute;", "<b> © ☺ 😀 &nosuch; é"],
    ["comments and doctypes as nothing", "<!doctype html><!-- <p>no</p> -->yes<?php no ?>", "yes"],
    ["signs that open no tag", "1 < 2 && 3 <4", "1 < 2 && 3 <4"],
    ["attributes that hold >", '<a title="a>b" href="/q">t</a>', "[t](https://example.org/q)"],
    ["emphasis that holds nothing, as nothing", "a <b> </b><a href=/x><img src=x></a>b", "a b"],
  ])("shows %s", (_name, html, expected) => {
    expect(markdown(html)).toBe(expected);
  });

  test("has the title of the page", () => {
    expect(htmlToMarkdown("<title> A &amp;\nB </title><h1>x</h1>", "https://e.org/").title).toBe("A & B");
  });

  test.each([
    "<",
    "<a",
    "<a href='",
    "<!--",
    "<script>",
    "<pre>",
    "<ul><li>",
    "<table><tr><td>",
    "<b>",
    "<blockquote>",
    "&#",
    "<a b<",
    "<b>x",
    "<a href=x ",
  ])("never throws and stays linear on many times %j", (piece) => {
    expectLinear(piece, 400_000, markdown);
  });
});
