/**
 * As root, bubblewrap is started as an unprivileged user, who cannot enter every directory that a sandbox
 * shall see (a Python below /root, say). Such ones are first mounted on a shelf that everybody can reach, in
 * a mount namespace that ends with the process.
 */
import { statSync } from "node:fs";
import { dirname } from "node:path";

/** A directory, and where bubblewrap finds it. */
export type ReachableDirectory = { source: string; path: string };

const shelf = "/mnt";
const script = `uid=$1 count=$2; shift 2
mount -t tmpfs lachesis ${shelf} || exit 1
while [ "$count" -gt 0 ]; do
  mkdir "${shelf}/$count" && mount --bind "$1" "${shelf}/$count" || exit 1
  shift; count=$((count - 1))
done
exec setpriv --reuid "$uid" --regid "$uid" --clear-groups -- "$@"`;

/** @param mayShelve whether we are root and `shelvingCommand` will be used where a path needs it. */
export function reachableDirectories(paths: readonly string[], mayShelve: boolean): ReachableDirectory[] {
  const closed = mayShelve ? paths.filter((path) => !isOpenToAll(path)) : [];
  return paths.map((path) => {
    const place = closed.indexOf(path);
    return { path, source: place === -1 ? path : `${shelf}/${closed.length - place}` };
  });
}

/** The command as the user `uid`, with the closed directories on the shelf. Only root may run it. */
export function shelvingCommand(
  uid: number,
  directories: readonly ReachableDirectory[],
  command: readonly string[],
): [string, ...string[]] {
  const closed = directories.filter(({ source, path }) => source !== path).map(({ path }) => path);
  const shell = ["sh", "-c", script, "sh", String(uid), String(closed.length), ...closed];
  return ["unshare", "--mount", "--", ...shell, ...command];
}

function isOpenToAll(path: string): boolean {
  const isSearchable = (statSync(path).mode & 0o001) !== 0;
  return isSearchable && (path === "/" || isOpenToAll(dirname(path)));
}
