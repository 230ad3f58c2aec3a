/** The program in an answer. */

/** What stands in the last closed block of three or more back-ticks or tildes; null where there is none. */
export function lastFence(text: string): string | null {
  let opened: { fence: string; lines: string[] } | null = null;
  let last: string | null = null;
  for (const line of text.replaceAll("\r\n", "\n").split("\n")) {
    const [, fence, rest = ""] = /^ {0,3}(`{3,}|~{3,})(.*)$/.exec(line) ?? [];
    if (opened === null) {
      if (fence !== undefined && !(fence.startsWith("`") && rest.includes("`")))
        opened = { fence, lines: [] };
    } else if (fence?.startsWith(opened.fence) && rest.trim() === "") {
      last = `${opened.lines.join("\n")}\n`;
      opened = null;
    } else {
      opened.lines.push(line);
    }
  }
  return last;
}
