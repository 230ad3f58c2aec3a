/**
 * What the kernel refuses to do for a sandbox. Namespaces fence neither AF_VSOCK nor io_uring, keyrings, BPF or
 * the kernel's log; this filter does. The supervisor gets it too, and everything started later inherits it.
 *
 * - Calls that are forbidden give EPERM, so programs say "not permitted" and go on.
 * - clone3 and all calls newer than our tables give ENOSYS: libraries then take the older way, which can be
 *   judged (clone3 hides its flags behind a pointer).
 * - Calls by another convention (32-bit x86, x32) kill the process: their numbers mean something else.
 * - ptrace stays: debuggers are honest work, and the supervisor and its keepers cannot be traced anyway.
 * - Limits of process 1, the supervisor, are its own: the kernel asks for nothing but the same user of whoever sets
 *   them, and a supervisor without memory or descriptors is a dead sandbox.
 */
import {
  encodeFilter,
  field,
  give,
  giveIfAnyBit,
  giveIfEqual,
  giveIfGreater,
  giveUnlessEqual,
  type Instruction,
  load,
  verdict,
  whenEqual,
} from "./filter-assembler.ts";
import {
  forbiddenCalls,
  highestKnownNumber,
  type SystemCallName,
  type SystemCallTable,
  systemCallTables,
} from "./system-calls.ts";

const notPermitted = verdict.error(1);
const noSuchCall = verdict.error(38);
const protocolNotSupported = verdict.error(93);
const familyNotSupported = verdict.error(97);

/** CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET. */
const newNamespaceFlags = 0x7e020000;
/** Only of `unshare`: in `clone` the bit belongs to the signal at the end. */
const newTimeNamespaceFlag = 0x80;

const family = { unix: 1, internet: 2, internet6: 10, netlink: 16 } as const;
/** The default, ICMP, TCP, UDP, ICMPv6: others would load modules. */
const internetProtocols = [0, 1, 6, 17, 58];
const netlinkRoute = 0;
/** Inside, where it is process 1. */
const supervisorPid = 1;
/** TIOCSTI types into the terminal, TIOCLINUX pastes into it, TIOCSETD puts a protocol's driver behind it. */
const terminalRequests = [0x5412, 0x541c, 0x5423];

/** The filter for one of Node's names of architectures, ready for bubblewrap; undefined where we have no tables. */
export function seccompFilter(architecture: string): Buffer | undefined {
  const table = systemCallTables[architecture];
  return table === undefined ? undefined : encodeFilter(instructions(table));
}

function instructions({ auditArchitecture, foreignBits, calls }: SystemCallTable): Instruction[] {
  const when = (name: SystemCallName, block: Instruction[]) => {
    const number = calls[name];
    return number === undefined ? [] : whenEqual(number, block);
  };
  return [
    load(field.architecture),
    ...giveUnlessEqual(auditArchitecture, verdict.killProcess),
    load(field.number),
    ...(foreignBits === 0 ? [] : giveIfAnyBit(foreignBits, verdict.killProcess)),
    ...giveIfGreater(highestKnownNumber, noSuchCall),
    ...forbiddenCalls.flatMap((name) => when(name, [give(notPermitted)])),
    ...when("clone3", [give(noSuchCall)]),
    ...when("clone", [
      load(field.argument(0)),
      ...giveIfAnyBit(newNamespaceFlags, notPermitted),
      give(verdict.allow),
    ]),
    ...when("unshare", [
      load(field.argument(0)),
      ...giveIfAnyBit(newNamespaceFlags | newTimeNamespaceFlag, notPermitted),
      give(verdict.allow),
    ]),
    ...when("ioctl", [
      load(field.argument(1)),
      ...terminalRequests.flatMap((request) => giveIfEqual(request, notPermitted)),
      give(verdict.allow),
    ]),
    ...when("prlimit64", [
      load(field.argument(0)),
      ...giveIfEqual(supervisorPid, notPermitted),
      give(verdict.allow),
    ]),
    ...when("socket", socketRules()),
    ...when("socketpair", socketRules()),
    give(verdict.allow),
  ];
}

function socketRules(): Instruction[] {
  const internet = [
    load(field.argument(2)),
    ...internetProtocols.flatMap((protocol) => giveIfEqual(protocol, verdict.allow)),
    give(protocolNotSupported),
  ];
  const netlink = [
    load(field.argument(2)),
    ...giveIfEqual(netlinkRoute, verdict.allow),
    give(protocolNotSupported),
  ];
  return [
    load(field.argument(0)),
    ...giveIfEqual(family.unix, verdict.allow),
    ...whenEqual(family.internet, internet),
    ...whenEqual(family.internet6, internet),
    ...whenEqual(family.netlink, netlink),
    give(familyNotSupported),
  ];
}
