/** Accessibility snapshots as Playwright writes them: one element a line, `- role "name" [ref=e5]`. */

/** What can be acted on, and what tells where one is. */
const shownRoles = new Set(
  "link button textbox searchbox combobox listbox option checkbox radio switch slider spinbutton menuitem menuitemcheckbox menuitemradio tab treeitem heading img iframe dialog alert alertdialog".split(
    " ",
  ),
);

const reference = /\[ref=((?:f\d+)?e\d+)\]/;

/** The names (`e5`, `f1e3`) of the elements in a snapshot. */
export function elementNames(snapshot: string): Set<string> {
  return new Set([...snapshot.matchAll(new RegExp(reference, "g"))].flatMap(([, name]) => name ?? []));
}

/** The lines of elements to act on, and of headings; all lines where there are none. */
export function compactSnapshot(snapshot: string): string {
  const lines = snapshot.split("\n");
  const kept = lines.filter((line) => {
    const role = /^\s*- '?([a-z]+)/.exec(line)?.[1] ?? "";
    return shownRoles.has(role) && reference.test(line);
  });
  return (kept.length > 0 ? kept : lines).join("\n");
}
