/** Attacks through system calls. */
import { expect } from "vitest";
import { forbiddenCalls, systemCallTables } from "../../../backends/local/seccomp/system-calls.ts";
import type { AbuseCase, AbuseChapter } from "./abuse-case.ts";

const calls = systemCallTables[process.arch]?.calls ?? {};
const filter = "seccomp filter";
const errors = { notPermitted: 1, noSuchCall: 38, protocol: 93, family: 97 };

const pythonCalls = `
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
def call(number, *arguments):
    ctypes.set_errno(0)
    result = libc.syscall(number, *[ctypes.c_long(value) for value in arguments], *[ctypes.c_long(0)] * (6 - len(arguments)))
    return ctypes.get_errno() if result == -1 else 'done'
`;

const namespaceFlags = [0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000];
const sigchld = 17;
/** AF_VSOCK, ALG, PACKET, BLUETOOTH, CAN, TIPC, RDS, XDP, QIPCRTR, KEY, NFC, KCM. */
const oddFamilies = [40, 38, 17, 31, 29, 30, 21, 44, 42, 15, 39, 41];

/** Each call, with its arguments, must end in the error. */
function attemptCalls(
  attack: string,
  attempts: readonly (readonly [number | undefined, ...number[]])[],
  error: number,
): AbuseCase {
  return {
    attack,
    containedBy: filter,
    async attempt(place) {
      const known = attempts.filter(([number]) => number !== undefined);
      const { stdout, stderr } = await place.python(
        `${pythonCalls}for attempt in ${JSON.stringify(known)}:\n    print(call(*attempt), attempt)\n`,
      );
      expect(stderr).toBe("");
      expect(stdout).toBe(known.map((attempt) => `${error} [${attempt.join(", ")}]\n`).join(""));
    },
  };
}

/** Machine code of `getpid` by the 32-bit convention. */
const oldConvention = `
import ctypes, mmap
code = mmap.mmap(-1, 4096, prot=7)
code.write(bytes([0xb8, 20, 0, 0, 0, 0xcd, 0x80, 0xc3]))
print(ctypes.CFUNCTYPE(ctypes.c_long)(ctypes.addressof(ctypes.c_char.from_buffer(code)))())
`;

export const kernelAbuse: AbuseChapter = {
  title: "The kernel",
  cases: [
    attemptCalls(
      "io_uring, BPF, userfaultfd, perf events, keyrings, kernel log, modules, kexec, mounts, swap, clock: each call by its number",
      forbiddenCalls.filter((name) => calls[name] !== undefined).map((name) => [calls[name]]),
      errors.notPermitted,
    ),
    attemptCalls(
      "new namespaces through clone",
      namespaceFlags.map((flag) => [calls.clone, flag + sigchld]),
      errors.notPermitted,
    ),
    attemptCalls(
      "new namespaces through unshare",
      [...namespaceFlags, 0x80].map((flag) => [calls.unshare, flag]),
      errors.notPermitted,
    ),
    attemptCalls(
      "new namespaces through clone3, and calls newer than the filter",
      [[calls.clone3], [470], [1_000]],
      errors.noSuchCall,
    ),
    attemptCalls(
      "AF_VSOCK to the hypervisor, AF_ALG, AF_PACKET, Bluetooth, CAN and other socket families",
      oddFamilies.flatMap((family) => [
        [calls.socket, family, 1],
        [calls.socketpair, family, 1],
      ]),
      errors.family,
    ),
    attemptCalls(
      "netlink beyond routes (audit, netfilter, kernel events), SCTP, MPTCP, L2TP",
      [
        ...[4, 9, 12, 15, 21].map((protocol) => [calls.socket, 16, 3, protocol] as const),
        ...[132, 262, 115].map((protocol) => [calls.socket, 2, 1, protocol] as const),
      ],
      errors.protocol,
    ),
    {
      attack: "calls by the numbers of another convention (32-bit x86, x32)",
      containedBy: filter,
      skipReason: async () => (process.arch === "x64" ? undefined : "only x64 has other conventions"),
      async attempt(place) {
        expect((await place.python(oldConvention)).exitCode).toBe(159);
        expect((await place.python(`${pythonCalls}print(call(0x40000000 + 39))`)).exitCode).toBe(159);
      },
    },
    {
      attack: "typing into a terminal (TIOCSTI, TIOCLINUX), also one of its own",
      containedBy: `${filter}; a session without a terminal (--new-session)`,
      async attempt(place) {
        const { stdout, stderr } = await place.python(`
import fcntl, os, struct
master, own = os.openpty()
for terminal in (own, master):
    for request in (0x5412, 0x541c, 0x5423):
        try: print(fcntl.ioctl(terminal, request, b"x" * 8))
        except OSError as error: print(error.errno)
try: print(os.open("/dev/tty", os.O_RDWR))
except OSError as error: print("none")
`);
        expect([stdout, stderr]).toEqual([`${"1\n".repeat(6)}none\n`, ""]);
      },
    },
    {
      attack: "a user namespace in which it is root",
      containedBy: `${filter}; --disable-userns`,
      async attempt(place) {
        expect((await place.run("unshare --user --map-root-user true")).exitCode).not.toBe(0);
      },
    },
    {
      attack: "capabilities, also through set-user-id files of its own",
      containedBy: "--cap-drop ALL, no_new_privs, an unprivileged user outside",
      async attempt(place) {
        const { stdout } = await place.run(
          `grep -E 'Cap(Eff|Prm|Bnd|Amb)|NoNewPrivs|Seccomp:' /proc/self/status | tr -d '\\n\\t'
           echo; cp /usr/bin/id own-id; chmod 4755 own-id; ./own-id -u`,
        );
        expect(stdout).toMatch(/^(Cap...:0{16}){4}NoNewPrivs:1Seccomp:2\n1000\n$/);
      },
    },
  ],
};
