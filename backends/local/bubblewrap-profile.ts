/**
 * What a sandbox sees and may do, as bubblewrap arguments. Each line answers a reproduced attack: the order
 * matters where a later mount closes what an earlier one left writable.
 */
import { lstatSync, readlinkSync } from "node:fs";

export type BubblewrapProfile = {
  workspace: string;
  workspaceBytes: number;
  temporaryBytes: number;
  sharedMemoryBytes: number;
  shareNetwork: boolean;
  /** False where the kernel's setting for it cannot be written. */
  disableUserNamespaces: boolean;
  /** Directories to show read-only: where bubblewrap finds them, and where the sandbox shall. */
  readOnlyDirectories: readonly { source: string; path: string }[];
  /** /bin and its like as they are where bubblewrap runs. Default: as on this machine. */
  systemDirectories?: readonly SystemDirectory[];
  /** Where bubblewrap tells its child's process id; absent: nowhere. */
  infoFd?: number;
  passwdFd: number;
  groupFd: number;
  seccompFd: number;
};

/** A directory of the system, or a link to where it really is. */
export type SystemDirectory = { path: string; target?: string };

/** The user inside; outside it is whoever runs bubblewrap. */
export const sandboxUid = 1000;
export const passwdFile = `sandbox:x:${sandboxUid}:${sandboxUid}:sandbox:/workspace:/bin/bash\n`;
export const groupFile = `sandbox:x:${sandboxUid}:\n`;

/** Debian's alternatives lie behind links such as /usr/bin/awk; the loader's cache spares it a search. */
const readOnlyFilesOfEtc = ["/etc/alternatives", "/etc/ld.so.cache"];
const filesOfEtcForNetwork = ["/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/ssl/certs"];
const mergedDirectories = ["/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"];

export function bubblewrapArguments(profile: BubblewrapProfile): string[] {
  const etc = [...readOnlyFilesOfEtc, ...(profile.shareNetwork ? filesOfEtcForNetwork : [])];
  const tmpfs = (bytes: number, path: string) => ["--size", String(bytes), "--tmpfs", path];
  return [
    // The second makes the first's user namespace a must.
    ...["--unshare-all", "--unshare-user"],
    ...(profile.shareNetwork ? ["--share-net"] : []),
    // A root of a user namespace would leave its capabilities in the bounding set.
    ...["--cap-drop", "ALL"],
    ...["--uid", String(sandboxUid), "--gid", String(sandboxUid), "--hostname", "sandbox"],
    ...(profile.disableUserNamespaces ? ["--disable-userns"] : []),
    ...["--new-session", "--as-pid-1", "--clearenv"],
    ...(profile.infoFd === undefined ? [] : ["--info-fd", String(profile.infoFd)]),
    ...["--seccomp", String(profile.seccompFd)],
    ...["--ro-bind", "/usr", "/usr"],
    ...(profile.systemDirectories ?? localSystemDirectories()).flatMap(systemDirectory),
    ...etc.flatMap((path) => ["--ro-bind-try", path, path]),
    ...["--ro-bind-data", String(profile.passwdFd), "/etc/passwd"],
    ...["--ro-bind-data", String(profile.groupFd), "/etc/group"],
    ...profile.readOnlyDirectories.flatMap(({ source, path }) => ["--ro-bind", source, path]),
    ...["--proc", "/proc", "--dev", "/dev"],
    ...tmpfs(profile.sharedMemoryBytes, "/dev/shm"),
    ...["--remount-ro", "/dev"],
    ...tmpfs(profile.temporaryBytes, "/tmp"),
    ...["--symlink", "../tmp", "/var/tmp"],
    ...tmpfs(profile.workspaceBytes, profile.workspace),
    ...["--remount-ro", "/", "--chdir", profile.workspace],
  ];
}

function localSystemDirectories(): SystemDirectory[] {
  return mergedDirectories.flatMap((path) => {
    const stats = lstatSync(path, { throwIfNoEntry: false });
    if (stats === undefined) return [];
    return [stats.isSymbolicLink() ? { path, target: readlinkSync(path) } : { path }];
  });
}

/** Recreates /bin and its like: a link into /usr, or a directory of its own. */
function systemDirectory({ path, target }: SystemDirectory): string[] {
  return target === undefined ? ["--ro-bind", path, path] : ["--symlink", target, path];
}
