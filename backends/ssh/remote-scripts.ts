/**
 * What runs on the remote machine outside the sandboxes, as POSIX shell. Every sandbox has a directory there that
 * only its user may enter, named after its owner; its file `process` says who holds the sandbox, so that whoever
 * comes later can end what lost its host. Nothing is installed, and nothing but these directories is written.
 */
import { groupFile, passwdFile } from "../local/bubblewrap-profile.ts";
import { markVariable } from "../marked-processes.ts";

/** Begins the name of every sandbox' directory; the owner's mark and the sandbox' own name follow. */
export const directoryPrefix = "lachesis-ssh-";
export const remotePath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/** Descriptors that the launch script of bubblewrap opens for it. */
export const [passwdFd, groupFd, filterFd] = [6, 7, 8];

/** A command line for the remote user's login shell, which must be one that quotes as POSIX says. */
export function commandLine(argv: readonly string[]): string {
  return `exec ${argv.map(quote).join(" ")}`;
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

const makeDirectory = `umask 077
directory=$1; shift
mkdir -- "$directory" || exit 71
note() { read -r line </proc/$$/stat; set -- \${line##*) }; echo "$$ \${20}" >"$directory/process"; }
note
cd /`;

/** Becomes the command in a directory of its own. The command removes the directory. */
const plainScript = `${makeDirectory}
mkdir -- "$directory/workspace" "$directory/tmp" || exit 71
umask 022
exec env -i PATH=${remotePath} ${markVariable}="$directory" "$@"`;

/** Runs bubblewrap and removes the directory, which holds no more than who runs it and the filter of system calls. */
const bubblewrapScript = `${makeDirectory}
printf "$1" >"$directory/filter"; shift
env -i PATH=${remotePath} ${markVariable}="$directory" "$@" ${passwdFd}<<'passwd' ${groupFd}<<'group' ${filterFd}<"$directory/filter"
${passwdFile.trimEnd()}
passwd
${groupFile.trimEnd()}
group
code=$?
rm -rf -- "$directory"
exit $code`;

/** The launch of a command in a new directory, without walls. */
export function plainLaunch(directory: string, command: readonly string[]): string {
  return commandLine(["sh", "-c", plainScript, "sh", directory, ...command]);
}

/** The launch of bubblewrap; `filter` is the compiled filter of system calls. */
export function bubblewrapLaunch(directory: string, filter: Uint8Array, command: readonly string[]): string {
  const octal = [...filter].map((byte) => `\\${byte.toString(8).padStart(3, "0")}`).join("");
  return commandLine(["sh", "-c", bubblewrapScript, "sh", directory, octal, ...command]);
}

/**
 * Ends whatever belongs to the directories and removes them: first the tree below the process that holds the
 * sandbox (stopped, so that nothing slips away), then what carries the mark. Fails when something is left.
 */
const cleanScript = `below() {
  grep -s '^PPid:' /proc/[0-9]*/status | awk -v root="$1" '
    { split($1, path, "/"); parent[path[3]] = $2 }
    END { wanted[root] = 1
      do { grown = 0
        for (pid in parent) if (!(pid in wanted) && parent[pid] in wanted) { wanted[pid] = 1; grown = 1; print pid }
      } while (grown) }'
}
marked() { grep -lsF "${markVariable}=$1" /proc/[0-9]*/environ | cut -d/ -f3; }
end_tree() {
  kill -STOP "$1"
  for round in 1 2 3 4 5 6 7 8 9 10; do
    pids=$(below "$1")
    [ -z "$pids" ] && break
    kill -KILL $pids
  done
  kill -KILL "$1"
}
clean() {
  directory=$1
  [ -d "$directory" ] && [ ! -L "$directory" ] || return 0
  if read -r pid start <"$directory/process" && read -r line <"/proc/$pid/stat"; then
    set -- \${line##*) }
    [ "\${20}" = "$start" ] && end_tree "$pid"
  fi
  for round in 1 2 3 4 5 6 7 8 9 10; do
    pids=$(marked "$directory")
    [ -z "$pids" ] && break
    kill -KILL $pids
  done
  rm -rf -- "$directory" || { chmod -R u+rwx -- "$directory"; rm -rf -- "$directory"; }
  [ ! -e "$directory" ]
}
failed=0
for each in "$@"; do clean "$each" 2>/dev/null || failed=1; done
exit $failed`;

export function cleanUp(directories: readonly string[]): string {
  return commandLine(["sh", "-c", cleanScript, "sh", ...directories]);
}

/** Tells what the machine is and has, a word and a value a line; see \`remote-machine.ts\`. */
const surveyScript = `base=$1 bwrap=$2 question=$3; shift 3
case $base in "~") base=$HOME;; "~/"*) base=$HOME/\${base#"~/"};; esac
say() { printf '%s %s\\n' "$1" "$2"; }
say survey begins
say system "$(uname -s)"
say machine "$(uname -m)"
say uid "$(id -u)"
(umask 077; mkdir -p -- "$base") 2>/dev/null
base=$(cd -- "$base" && pwd -P) && [ -w "$base" ] && say base "$base"
command -v perl >/dev/null 2>&1 && say has perl
command -v python3 >/dev/null 2>&1 && say has python3
for directory in /bin /sbin /lib /lib32 /lib64 /libx32; do
  if [ -L $directory ]; then say link "$directory $(readlink $directory)"
  elif [ -d $directory ]; then say directory $directory; fi
done
if command -v "$bwrap" >/dev/null 2>&1; then
  help=$("$bwrap" --help 2>&1)
  say has bwrap
  say bwrap-path "$(command -v "$bwrap")"
  case $help in *"--size BYTES"*) say bwrap size;; esac
  case $help in *--disable-userns*) say bwrap disable-userns;; esac
fi
for python in "$@"; do
  answer=$("$python" -B -c "$question" 2>/dev/null) && { say python "$answer"; break; }
done
find "$base" -maxdepth 1 -type d -user "$(id -u)" -name '${directoryPrefix}*' 2>/dev/null |
  while read -r left; do say left "\${left##*/}"; done
say survey ends`;

export function survey(options: {
  base: string;
  bwrapPath: string;
  question: string;
  pythons: readonly string[];
}): string {
  const { base, bwrapPath, question, pythons } = options;
  return commandLine(["sh", "-c", surveyScript, "sh", base, bwrapPath, question, ...pythons]);
}
