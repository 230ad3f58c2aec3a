/**
 * The shell program that searches inside a sandbox. ripgrep where the sandbox has it; else find, sort and grep (with
 * Perl's patterns where grep knows them), made to answer line for line as ripgrep would:
 * - files in the order of their path, name by name; hidden ones only where asked for; symbolic links not followed;
 *   .gitignore has no say; files with NUL bytes are passed by;
 * - one page of rows goes out, and behind it how many rows there are: that one more exists is known, never guessed;
 * - the searching program's own exit status travels in the last line of stderr, past the pipe's other ends.
 *
 * Arguments: program (auto, ripgrep, grep), mode, pattern, directory, what (`./` or `./name`), hidden (1 or empty),
 * first row, last row, glob (or empty), the glob as a regular expression, and `v` where the glob is turned round.
 */
export const searchScript = String.raw`
program=$1 mode=$2 pattern=$3 directory=$4 what=$5 hidden=$6 first=$7 last=$8 glob=$9
shift 9
regex=$1 inverted=$2
cd -- "$directory" || exit 65
[ -e "$what" ] || exit 66

list() {
  if [ -n "$hidden" ]; then find -H "$what" -type f -print0
  else find -H "$what" ! -path "$what" -name '.?*' -prune -o -type f -print0; fi |
  if [ -n "$regex" ]; then LC_ALL=C grep -z "-E$inverted" -e "$regex"; else cat; fi |
  tr / '\001' | LC_ALL=C sort -z | tr '\001' /
}
rows() { cut -b 1-8000 | sed -n -e "$first,$last p" -e '$='; }
counts() {
  tr '\000' : | awk -F: -v first="$first" -v last="$last" \
    '$NF > 0 { rows += 1; sum += $NF; if (rows >= first && rows <= last) print } END { print sum + 0; print rows + 0 }'
}
ripgrep() {
  case $mode in content) set -- -n;; files_only) set -- -l;; count) set -- -c;; esac
  if [ "$mode" != files_only ]; then set -- "$@" --null; fi
  if [ -n "$glob" ]; then set -- "$@" --glob "$glob"; fi
  if [ -z "$hidden" ] && [ "$what" = ./ ]; then set -- "$@" --glob '!.*'; fi
  rg --no-config --no-ignore --hidden --sort path --color never --no-heading --with-filename "$@" -e "$pattern" -- "$what"
  status=$?
  if [ $status -eq 1 ]; then status=0; fi
  echo "exit $status" >&2
}
plain() {
  case $mode in content) flags=-HInZ;; files_only) flags=-Il;; count) flags=-HIcZ;; esac
  if echo x | grep -qP x 2>/dev/null; then dialect=-P; else dialect=-E; fi
  echo x | grep "$dialect" -e "$pattern" >/dev/null
  if [ $? -gt 1 ]; then echo 'exit 2' >&2; return; fi
  list | xargs -0 -r sh -c 'f=$1 d=$2 p=$3; shift 3; LC_ALL=C grep "$f" "$d" -e "$p" -- "$@"; [ $? -le 1 ]' sh "$flags" "$dialect" "$pattern"
  echo "exit $?" >&2
}
if [ "$mode" = names ]; then
  list | tr '\000' '\n' | rows
  echo 'exit 0' >&2
  exit
fi
if [ "$program" = auto ]; then
  if command -v rg >/dev/null; then program=ripgrep; else program=grep; fi
fi
if [ "$program" = ripgrep ]; then ripgrep; else plain; fi |
if [ "$mode" = count ]; then counts; else rows; fi
`;
