/**
 * The system calls that sandboxes may not make, or not in every way, by their numbers on the machines that
 * sandboxes run on. A call that an architecture does not have is absent from its table.
 */

export type SystemCallTable = {
  /** AUDIT_ARCH_* of the kernel's `seccomp_data`: calls by another convention have other numbers. */
  auditArchitecture: number;
  /** Calls whose number has one of these bits belong to another convention (x32). */
  foreignBits: number;
  calls: Readonly<Partial<Record<SystemCallName, number>>>;
};

/** Never: each is of no use to a program without capabilities, or is a large piece of the kernel to attack. */
export const forbiddenCalls = [
  // Doors into the kernel that most kernel exploits of recent years came through.
  ...["bpf", "io_uring_enter", "io_uring_register", "io_uring_setup", "perf_event_open", "userfaultfd"],
  ...["add_key", "keyctl", "request_key"],
  // Mounts and other people's namespaces.
  ...["chroot", "fsconfig", "fsmount", "fsopen", "fspick", "mount", "mount_setattr", "move_mount"],
  ...["open_tree", "open_tree_attr", "pivot_root", "setns", "umount2"],
  // The machine itself: its modules, clock, log, swap, power.
  ...["acct", "clock_settime", "create_module", "delete_module", "finit_module", "init_module", "ioperm"],
  ...["iopl", "kexec_file_load", "kexec_load", "modify_ldt", "quotactl", "quotactl_fd", "reboot"],
  ...["settimeofday", "swapoff", "swapon", "sysfs", "syslog", "uselib", "vhangup"],
  // Files by a handle instead of a path lead out of mount namespaces.
  ...["fanotify_init", "open_by_handle_at"],
] as const;

/** Looked at more closely, or answered with ENOSYS. */
export const conditionalCalls = [
  ...["clone", "clone3", "ioctl", "prlimit64", "socket", "socketpair", "unshare"],
] as const;

export type SystemCallName = (typeof forbiddenCalls)[number] | (typeof conditionalCalls)[number];

/** From here on all architectures have the same numbers. */
const sharedNumbers = {
  io_uring_setup: 425,
  io_uring_enter: 426,
  io_uring_register: 427,
  open_tree: 428,
  move_mount: 429,
  fsopen: 430,
  fsconfig: 431,
  fsmount: 432,
  fspick: 433,
  clone3: 435,
  mount_setattr: 442,
  quotactl_fd: 443,
  open_tree_attr: 467,
} as const;

/** Calls with a higher number are newer than these tables: nobody has judged them. */
export const highestKnownNumber = 469;

export const systemCallTables: Readonly<Partial<Record<string, SystemCallTable>>> = {
  x64: {
    auditArchitecture: 0xc000003e,
    foreignBits: 0x40000000,
    calls: {
      ...sharedNumbers,
      ioctl: 16,
      socket: 41,
      socketpair: 53,
      clone: 56,
      syslog: 103,
      uselib: 134,
      sysfs: 139,
      vhangup: 153,
      modify_ldt: 154,
      pivot_root: 155,
      chroot: 161,
      acct: 163,
      settimeofday: 164,
      mount: 165,
      umount2: 166,
      swapon: 167,
      swapoff: 168,
      reboot: 169,
      iopl: 172,
      ioperm: 173,
      create_module: 174,
      init_module: 175,
      delete_module: 176,
      quotactl: 179,
      clock_settime: 227,
      kexec_load: 246,
      add_key: 248,
      request_key: 249,
      keyctl: 250,
      unshare: 272,
      perf_event_open: 298,
      fanotify_init: 300,
      prlimit64: 302,
      open_by_handle_at: 304,
      setns: 308,
      finit_module: 313,
      kexec_file_load: 320,
      bpf: 321,
      userfaultfd: 323,
    },
  },
  arm64: {
    auditArchitecture: 0xc00000b7,
    foreignBits: 0,
    calls: {
      ...sharedNumbers,
      ioctl: 29,
      umount2: 39,
      mount: 40,
      pivot_root: 41,
      chroot: 51,
      vhangup: 58,
      quotactl: 60,
      acct: 89,
      unshare: 97,
      kexec_load: 104,
      init_module: 105,
      delete_module: 106,
      clock_settime: 112,
      syslog: 116,
      reboot: 142,
      settimeofday: 170,
      socket: 198,
      socketpair: 199,
      add_key: 217,
      request_key: 218,
      keyctl: 219,
      clone: 220,
      swapon: 224,
      swapoff: 225,
      perf_event_open: 241,
      prlimit64: 261,
      fanotify_init: 262,
      open_by_handle_at: 265,
      setns: 268,
      finit_module: 273,
      bpf: 280,
      userfaultfd: 282,
      kexec_file_load: 294,
    },
  },
};
