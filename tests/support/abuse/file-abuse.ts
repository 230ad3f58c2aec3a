/** Attacks on the host's files, from inside and by leading the host's own reads and writes astray. */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { Readable } from "node:stream";
import tarStream from "tar-stream";
import { expect } from "vitest";
import { listDescendants } from "../host-processes.ts";
import { type AbuseChapter, abuseSettings } from "./abuse-case.ts";

const repository = resolve(import.meta.dirname, "../../..");

export const fileAbuse: AbuseChapter = {
  title: "The host's files",
  cases: [
    {
      attack: "reading /etc/shadow, /root, /home, the repository, other sandboxes' files",
      containedBy: "a root directory of its own with nothing but the system's programs, read-only",
      async attempt(place) {
        const { stdout } = await place.run(
          `ls / | sort | tr '\\n' ' '; ls -A /etc | sort | tr '\\n' ' '; ls -A /workspace; ls -A /tmp`,
        );
        expect(stdout).toMatch(
          /^bin dev etc lib (lib32 )?(lib64 )?(libx32 )?proc (sbin )?tmp usr var workspace /,
        );
        expect(stdout).toMatch(/workspace alternatives group ld.so.cache passwd $/);
        for (const path of ["/etc/shadow", "/root", "/home", repository, process.execPath]) {
          if (!path.startsWith("/usr/")) expect((await place.run(`ls -d '${path}'`)).exitCode, path).toBe(2);
        }
      },
    },
    {
      attack: "writing to programs, the root directory, /etc, /dev, kernel settings",
      containedBy: "read-only mounts, made so behind the last one (--remount-ro)",
      async attempt(place) {
        for (const path of ["/usr/x", "/bin/x", "/x", "/etc/x", "/dev/x", "/proc/sys/kernel/hostname"]) {
          expect((await place.run(`echo x > ${path}`)).stderr, path).toMatch(
            /Read-only file system|Permission denied/,
          );
        }
        expect((await place.run("echo x >> /etc/passwd")).exitCode).not.toBe(0);
      },
    },
    {
      attack: "disks and other devices: opening, making and mounting them",
      containedBy: "a /dev of its own, no capabilities, seccomp filter",
      async attempt(place) {
        expect((await place.run("ls /dev")).stdout).not.toMatch(/sd|vd|nvme|loop|kmsg|mem|kvm|fuse/);
        expect((await place.run("mknod /tmp/null b 8 0")).exitCode).not.toBe(0);
        expect((await place.run("mount -t tmpfs none /tmp")).exitCode).not.toBe(0);
      },
    },
    {
      attack: "files that belong to root or run as root on the host",
      containedBy:
        "run_as_uid: an unprivileged user starts bubblewrap; files live in a tmpfs that ends with it",
      async attempt() {
        const uids = listDescendants()
          .filter(({ command }) => command === "supervisor")
          .map(({ pid }) =>
            spawnSync("ps", ["-o", "uid=", "-p", String(pid)], { encoding: "utf8" }).stdout.trim(),
          );
        const expected = process.getuid?.() === 0 ? abuseSettings.run_as_uid : process.getuid?.();
        expect(uids).toEqual([String(expected)]);
      },
    },
    {
      attack: "links in the workspace that lead the host's reads out (/etc/shadow, the repository)",
      containedBy: "the host resolves no path of a sandbox: reads run inside",
      async attempt({ sandbox, signal }) {
        const shell = `ln -s /etc/shadow shadow; ln -s ${repository} repository; ln -s / root`;
        await sandbox.exec({ shell }, { timeoutMs: 20_000, signal });
        for (const path of ["shadow", "repository/package.json"]) {
          await expect(sandbox.readFile(path, { signal })).rejects.toMatchObject({
            code: "SANDBOX_FILE_NOT_FOUND",
          });
        }
        const inside = Buffer.from(await sandbox.readFile("root/etc/passwd", { signal })).toString();
        expect(inside).toBe("sandbox:x:1000:1000:sandbox:/workspace:/bin/bash\n");
      },
    },
    {
      attack: "a tar whose links and `..` lead the host's writes out",
      containedBy: "archives are packed and unpacked inside",
      async attempt({ sandbox, signal }) {
        const pack = tarStream.pack();
        pack.entry({ name: "out", type: "symlink", linkname: repository });
        pack.entry({ name: "out/lachesis-abuse" }, "x");
        pack.entry({ name: "../../../lachesis-abuse" }, "x");
        pack.finalize();
        await sandbox.upload(Readable.from(pack), ".", { signal }).catch(() => {});
        expect(existsSync(`${repository}/lachesis-abuse`) || existsSync("/lachesis-abuse")).toBe(false);
      },
    },
    {
      attack: "endless files: a link to /dev/zero, a FIFO, a sparse file of 100 GB, read by the host",
      containedBy: "regular files only, and never more than `maxBytes`",
      async attempt({ sandbox, signal }) {
        const shell = "ln -s /dev/zero zero; mkfifo pipe; truncate -s 100G sparse || truncate -s 15M sparse";
        await sandbox.exec({ shell }, { timeoutMs: 20_000, signal });
        for (const path of ["zero", "pipe"]) {
          await expect(sandbox.readFile(path, { signal })).rejects.toMatchObject({
            code: "SANDBOX_FILE_FAILED",
          });
        }
        await expect(sandbox.readFile("sparse", { signal, maxBytes: 1_000 })).rejects.toMatchObject({
          code: "SANDBOX_FILE_TOO_LARGE",
        });
      },
    },
  ],
};
