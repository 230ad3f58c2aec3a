/**
 * Files for `patch`: read as text with limits the model is told of, and written all or not at all. The new contents
 * are put beside their files first; only when all are there are they moved into place, and what was there comes back
 * if one can't be.
 */
import { randomBytes } from "node:crypto";
import { buffer } from "node:stream/consumers";
import { pack } from "tar-stream";
import type { RolloutContext } from "../../contracts/rollout-context.ts";

const largestFileBytes = 5 * 1_048_576;
const exitCode = { notFound: 66, directory: 67, notRegular: 68, unreadable: 69, tooLarge: 70 } as const;

const readScript = `
f=$1
if [ -d "$f" ]; then exit ${exitCode.directory}; fi
[ -e "$f" ] || exit ${exitCode.notFound}
[ -f "$f" ] || exit ${exitCode.notRegular}
[ -r "$f" ] || exit ${exitCode.unreadable}
[ "$(wc -c < "$f")" -le ${largestFileBytes} ] || exit ${exitCode.tooLarge}
exec cat < "$f"
`;

/** null = there is no such file. */
export type FileText = { ok: true; text: string | null } | { ok: false; error: string };

/** Rejects as `Sandbox.exec` does. */
export async function readText(path: string, shownPath: string, context: RolloutContext): Promise<FileText> {
  const sandbox = await context.sandbox();
  const result = await sandbox.exec(
    { argv: ["sh", "-c", readScript, "sh", path], cwd: "/" },
    {
      timeoutMs: context.limits.toolTimeoutMs,
      signal: context.signal,
      outputLimitBytes: largestFileBytes + 1,
    },
  );
  switch (result.exitCode) {
    case 0:
      return decode(result.stdout, shownPath);
    case exitCode.notFound:
      return { ok: true, text: null };
    case exitCode.directory:
      return { ok: false, error: `${shownPath} is a directory.` };
    case exitCode.notRegular:
      return { ok: false, error: `${shownPath} is not a regular file.` };
    case exitCode.unreadable:
      return { ok: false, error: `${shownPath} may not be read.` };
    case exitCode.tooLarge:
      return {
        ok: false,
        error: `${shownPath} holds more than 5 MiB: change it with a program of the terminal.`,
      };
    default: {
      const complaint = Buffer.from(result.stderr).toString("utf8").trim();
      return { ok: false, error: `${shownPath} could not be read: ${complaint || "it took too long"}.` };
    }
  }
}

function decode(bytes: Uint8Array, shownPath: string): FileText {
  try {
    return { ok: true, text: new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes) };
  } catch {
    return { ok: false, error: `${shownPath} is no UTF-8 text: change it with a program of the terminal.` };
  }
}

/** `text: null` = the file is to go. Paths are absolute and each stands once. */
export type FileChange = { path: string; text: string | null };

const writeScript = String.raw`
mark=$1; shift
stage=$(mktemp -d "${"$"}{TMPDIR:-/tmp}/lachesis-patch.XXXXXX") || exit 1
tar -x -f - -C "$stage" || { rm -rf -- "$stage"; exit 1; }
: > "$stage/made"; : > "$stage/done"
target() { if [ -L "$1" ]; then readlink -f -- "$1"; else printf %s "$1"; fi; }
beside() { printf '%s/.%s-%s-%s' "$(dirname -- "$1")" "$mark" "$2" "$3"; }
undo() {
  while IFS= read -r step; do
    real=$(cat "$stage/real-$step")
    rm -f -- "$(beside "$real" "$step" new)"
    old=$(beside "$real" "$step" old)
    if [ -e "$old" ]; then mv -f -- "$old" "$real"; elif [ -e "$stage/moved-$step" ]; then rm -f -- "$real"; fi
  done < "$stage/done"
  sort -r "$stage/made" | while IFS= read -r directory; do rmdir -- "$directory" 2>/dev/null; done
  rm -rf -- "$stage"
  exit 1
}
step=0
for path in "$@"; do
  step=$((step + 1))
  if [ -e "$stage/$step" ]; then real=$(target "$path"); else real=$path; fi
  printf %s "$real" > "$stage/real-$step"
  echo "$step" >> "$stage/done"
  directory=$(dirname -- "$real")
  missing=$directory
  while [ ! -d "$missing" ] && [ "$missing" != / ]; do printf '%s\n' "$missing" >> "$stage/made"; missing=$(dirname -- "$missing"); done
  mkdir -p -- "$directory" || undo
  if [ -e "$real" ] && [ ! -w "$real" ]; then echo "$path: Permission denied" >&2; undo; fi
  if [ -e "$stage/$step" ]; then
    new=$(beside "$real" "$step" new)
    if [ -e "$real" ]; then cp -p -- "$real" "$new" || undo; fi
    cat "$stage/$step" > "$new" || undo
  fi
done
step=0
for path in "$@"; do
  step=$((step + 1))
  real=$(cat "$stage/real-$step")
  if [ -e "$real" ]; then mv -- "$real" "$(beside "$real" "$step" old)" || undo; fi
  if [ -e "$stage/$step" ]; then : > "$stage/moved-$step"; mv -- "$(beside "$real" "$step" new)" "$real" || undo; fi
done
while IFS= read -r step; do rm -f -- "$(beside "$(cat "$stage/real-$step")" "$step" old)"; done < "$stage/done"
rm -rf -- "$stage"
`;

/** Makes all of the changes or none; answers why not. Rejects as `Sandbox.exec` does. */
export async function writeAll(
  changes: readonly FileChange[],
  context: RolloutContext,
): Promise<string | null> {
  const tar = pack();
  for (const [index, { text }] of changes.entries()) {
    if (text !== null) tar.entry({ name: String(index + 1) }, text);
  }
  tar.finalize();
  const sandbox = await context.sandbox();
  const mark = `lachesis-${randomBytes(6).toString("hex")}`;
  const result = await sandbox.exec(
    { argv: ["sh", "-c", writeScript, "sh", mark, ...changes.map(({ path }) => path)], cwd: "/" },
    { timeoutMs: context.limits.toolTimeoutMs, signal: context.signal, stdin: await buffer(tar) },
  );
  if (result.exitCode === 0) return null;
  if (result.timedOut) return `no end after ${context.limits.toolTimeoutMs} ms`;
  return Buffer.from(result.stderr).toString("utf8").trim() || `exit code ${result.exitCode}`;
}
