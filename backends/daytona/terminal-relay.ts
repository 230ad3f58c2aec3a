/**
 * The program that makes a binary byte stream of a Daytona terminal, which is the only bidirectional channel that
 * Daytona offers. It stands between the terminal and our supervisor.
 *
 * Why not the bare terminal:
 * - Daytona drops a client whose queue of 256 messages is full, so no more than a few may be under way: the relay
 *   sends a block (at most 4,000 bytes, what a terminal passes on in one piece) and waits once 48 are unacknowledged.
 * - A command runs as the same user and could write to the terminal: every block begins with a key that only the
 *   relay and the host know, and anything else between them ends the sandbox.
 *
 * Host to relay: type (1 byte), length (4, big-endian), payload; type 0 is input of the supervisor, type 1 tells how
 * many bytes of output the host has (8 bytes). Relay to host: key (8 bytes), length (2), payload.
 */
export const relayKeyBytes = 8;
export const relayFrame = { input: 0, acknowledge: 1 } as const;

/** No `${` may appear in it: this is a template literal. */
const relaySource = `
use strict;
$0 = 'relay';
my $key = pack('H*', shift @ARGV);
my $prctl = 0 + shift @ARGV;
# Not dumpable: no command can read the key from this process' memory.
syscall($prctl, 4, 0, 0, 0, 0) if $prctl;
my ($input_r, $input_w, $output_r, $output_w);
pipe($input_r, $input_w) && pipe($output_r, $output_w) or exit 70;
my $pid = fork;
exit 70 if !defined $pid;
if (!$pid) {
  close $input_w;
  close $output_r;
  open(STDIN, '<&', $input_r);
  open(STDOUT, '>&', $output_w);
  open(STDERR, '>', '/dev/null');
  exec { $ARGV[0] } @ARGV;
  exit 70;
}
close $input_r;
close $output_w;
$SIG{PIPE} = 'IGNORE';
fcntl($input_w, 4, fcntl($input_w, 3, 0) | 2048);
my ($heard, $input, $sent) = ('', '', 0);
my @under_way;
sub send_all {
  my $block = $_[0];
  while (length $block) {
    my $count = syswrite STDOUT, $block;
    if (defined $count) { substr($block, 0, $count, '') } elsif ($! != 4 && $! != 11) { exit 0 }
  }
}
while (1) {
  my ($readable, $writable) = ('', '');
  vec($readable, fileno STDIN, 1) = 1;
  vec($readable, fileno $output_r, 1) = 1 if @under_way < 48;
  vec($writable, fileno $input_w, 1) = 1 if length $input;
  next if select($readable, $writable, undef, undef) < 0;
  if (length $input && vec($writable, fileno $input_w, 1)) {
    my $count = syswrite $input_w, $input, 65536;
    if ($count) { substr($input, 0, $count, '') } elsif ($! != 4 && $! != 11) { last }
  }
  if (@under_way < 48 && vec($readable, fileno $output_r, 1)) {
    my $count = sysread $output_r, my $chunk, 4000;
    last if defined $count && $count == 0;
    if ($count) {
      $sent += $count;
      push @under_way, $sent;
      send_all($key . pack('n', $count) . $chunk);
    }
  }
  if (vec($readable, fileno STDIN, 1)) {
    my $count = sysread STDIN, $heard, 65536, length $heard;
    last if !$count;
    while (length $heard >= 5) {
      my ($type, $size) = unpack('CN', $heard);
      last if length $heard < 5 + $size;
      my $payload = substr($heard, 5, $size);
      substr($heard, 0, 5 + $size, '');
      if ($type == 0) { $input .= $payload; next }
      my $done = unpack('Q>', $payload);
      shift @under_way while @under_way && $under_way[0] <= $done;
    }
  }
}
`;

export type RelayScriptOptions = {
  /** Where the script lies in the sandbox; it removes itself. */
  path: string;
  /** Said once the terminal is raw; the host skips all that comes before. */
  greeting: string;
  /** Hexadecimal, of `relayKeyBytes` bytes. */
  key: string;
  workspace: string;
  /** Whether the workspace must be there already (an item's own directory of the image). */
  mustExist: boolean;
  supervisor: readonly string[];
};

export const relayRefusals = {
  noPerl: "no-perl",
  noTerminal: "no-stty",
  noWorkspace: "no-workspace",
} as const;

/** A shell script for the terminal's shell to become: `exec sh <path>`. */
export function relayScript(options: RelayScriptOptions): string {
  const { path, greeting, key, workspace, mustExist, supervisor } = options;
  const refuse = (why: string) => `{ printf '%s %s\n' ${quote(greeting)} ${why}; exit 1; }`;
  const enter = mustExist ? `[ -d ${quote(workspace)} ]` : `mkdir -p ${quote(workspace)}`;
  return `rm -f ${quote(path)}
command -v perl >/dev/null 2>&1 || ${refuse(relayRefusals.noPerl)}
stty raw -echo 2>/dev/null || ${refuse(relayRefusals.noTerminal)}
${enter} && cd ${quote(workspace)} || ${refuse(relayRefusals.noWorkspace)}
unset PERL5OPT PERL5LIB PERL5DB PERLIO PERL_UNICODE HISTFILE
case $(uname -m) in x86_64) prctl=157;; aarch64) prctl=167;; *) prctl=0;; esac
printf '%s %s\n' ${quote(greeting)} ready
exec perl -e ${quote(relaySource)} -- ${key} $prctl ${supervisor.map(quote).join(" ")} 2>/dev/null
`;
}

function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
