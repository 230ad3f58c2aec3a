/**
 * Globs for paths as ripgrep and .gitignore have them, as a POSIX extended regular expression over `./relative/path`:
 * without a slash a glob is about the name at any depth, with one about the whole path. `!` in front turns it round.
 */

export type PathPattern = { regex: string; isNegated: boolean };

/** null = it is no glob: a bracket or brace stays open. */
export function pathGlob(glob: string): PathPattern | null {
  const isNegated = glob.startsWith("!");
  const body = isNegated ? glob.slice(1) : glob;
  const source = translate(body.replace(/^\//, ""));
  if (source === null) return null;
  return { regex: body.includes("/") ? `^\\./${source}$` : `/${source}$`, isNegated };
}

function translate(glob: string): string | null {
  let source = "";
  let openBraces = 0;
  for (let at = 0; at < glob.length; at++) {
    const character = glob.charAt(at);
    if (glob.startsWith("**/", at) && (at === 0 || glob[at - 1] === "/")) {
      source += "(.*/)?";
      at += 2;
    } else if (character === "*") {
      const isDouble = glob[at + 1] === "*";
      source += isDouble ? ".*" : "[^/]*";
      if (isDouble) at += 1;
    } else if (character === "?") source += "[^/]";
    else if (character === "[") {
      const set = characterSet(glob, at);
      if (set === null) return null;
      source += set.source;
      at = set.end;
    } else if (character === "{") {
      openBraces += 1;
      source += "(";
    } else if (character === "}" && openBraces > 0) {
      openBraces -= 1;
      source += ")";
    } else if (character === "," && openBraces > 0) source += "|";
    else if (character === "\\" && at + 1 < glob.length) {
      at += 1;
      source += literal(glob.charAt(at));
    } else source += literal(character);
  }
  return openBraces === 0 ? source : null;
}

/** The bracket expression that starts at `start`; `end` is its last character. */
function characterSet(glob: string, start: number): { source: string; end: number } | null {
  const isNegated = glob[start + 1] === "!" || glob[start + 1] === "^";
  const from = start + (isNegated ? 2 : 1);
  const end = glob.indexOf("]", from + 1);
  return end < 0 ? null : { source: `[${isNegated ? "^" : ""}${glob.slice(from, end)}]`, end };
}

function literal(character: string): string {
  return /[.^$*+?()[\]{}|\\]/.test(character) ? `\\${character}` : character;
}
