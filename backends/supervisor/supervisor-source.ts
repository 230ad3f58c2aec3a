/**
 * The program that runs a sandbox from within: one process that starts commands, carries their streams over
 * one control channel and kills their process trees. See `frames.ts` for what goes over the channel: a socket
 * that it inherits, or (control descriptor 0) its own stdin and stdout.
 *
 * Why Perl: it starts in 2 ms (python3 takes 12, node 40), `perl-base` belongs to every Debian and Ubuntu
 * image, and a shell can neither carry binary streams nor hide its control channel.
 *
 * Invariants:
 * - Commands share the supervisor's uid and are hostile. The supervisor and its keepers are not dumpable, so
 *   no command can trace them or open their descriptors; nobody but the supervisor holds the control channel.
 * - Between the supervisor and each command stands a keeper, a child subreaper: whatever the command starts
 *   stays below its keeper, daemons too, so a whole tree can be found and killed. The keeper leaves last;
 *   the end of its report pipe means that the tree is gone.
 * - What loses its keeper falls to the supervisor and is killed: a command cannot gain by killing its keeper.
 * - Nothing is buffered beyond the windows: output is read only as far as the host granted credit.
 * - The host gone (end of the control channel) means: kill all, remove the directory it was given, leave.
 *
 * No `${` may appear below: this is a template literal. Lines are compacted one by one: no text over several lines.
 */
export const readableSupervisorSource = String.raw`
use strict;
$0 = 'supervisor';
my ($doomed_directory, $inheritance) = splice @ARGV, 0, 2;
my %inherited = $inheritance eq 'inherit' ? %ENV : ();
my ($control_fd, $setsid, $prctl, $prlimit, @limits) = map { /:/ ? $_ : $_ + 0 } @ARGV;
my ($GET_FL, $SET_FL, $SET_FD, $NONBLOCK, $AGAIN, $INTR, $PIPE_MAX) = (3, 4, 2, 2048, 11, 4, 1048576);
my ($PDEATHSIG, $DUMPABLE, $SUBREAPER, $NO_NEW_PRIVS) = (1, 4, 36, 38);
my ($START, $STDIN, $CREDIT, $KILL) = (1, 2, 3, 4);
my ($READY, $STDOUT, $STDERR, $TAKEN, $EXIT, $GONE) = (16, 17, 18, 19, 20, 21);

my $FAREWELL = 'ok';

sub process_control { syscall($prctl, $_[0], $_[1], 0, 0, 0) }
# Where memory runs out, the kernel shall take the largest process of the commands, before host and supervisor.
# The file must be opened while this process is still dumpable.
my ($score, $own_score);
if (open($score, '+<', '/proc/self/oom_score_adj')) { sysread $score, $own_score, 16 }
sub set_score { syswrite $score, $_[0] if $own_score }
process_control($DUMPABLE, 0);
process_control($SUBREAPER, 1);
process_control($NO_NEW_PRIVS, 1);
my ($from_host, $to_host);
if ($control_fd) {
  open($from_host, '<&=', $control_fd) or exit 70;
  open($to_host, '>&=', $control_fd) or exit 70;
} else {
  open($from_host, '<&', \*STDIN) or exit 70;
  open($to_host, '>&', \*STDOUT) or exit 70;
  open(STDIN, '<', '/dev/null');
  open(STDOUT, '>', '/dev/null');
}
close_inherited();
for ($from_host, $to_host) {
  fcntl($_, $SET_FD, 1);
  nonblocking($_);
}
$SIG{PIPE} = 'IGNORE';
$SIG{CHLD} = 'IGNORE';
$SIG{$_} = 'IGNORE' for qw(HUP INT TERM QUIT USR1 USR2 ALRM);

my ($inbox, $outbox) = ('', '');
my %jobs;

# What the host had open without close-on-exec has come down here: no command may inherit it.
sub close_inherited {
  opendir(my $descriptors, '/proc/self/fd') or return;
  my %ours = map { fileno($_) => 1 } $from_host, $to_host, $score || ();
  my @open = grep { /^\d+$/ && $_ > 2 && !$ours{$_} } readdir $descriptors;
  closedir $descriptors;
  for my $descriptor (@open) {
    if (open(my $inherited, '<&=', $descriptor)) { close $inherited }
  }
}

sub reply { $outbox .= pack('CNN', $_[0], $_[1], length $_[2]) . $_[2] }
sub nonblocking { fcntl($_[0], $SET_FL, fcntl($_[0], $GET_FL, 0) | $NONBLOCK) }

# The second field of stat is a name that the process chose: it may hold line breaks and parentheses. A process whose
# first thread has ended looks like a zombie while its others run on: its count of threads, the 18th field behind the
# name, tells.
sub process_table {
  my (%parent);
  opendir(my $proc, '/proc') or return {};
  local $/;
  for my $pid (grep { /^\d+$/ } readdir $proc) {
    open(my $stat, '<', "/proc/$pid/stat") or next;
    my ($state, $parent, $threads) = (<$stat> // '') =~ /.*\) (\S) (\d+)(?: \S+){15} (\d+)/s or next;
    $parent{$pid} = $parent if $state !~ /[ZX]/ || $threads > 1;
  }
  return \%parent;
}

sub below {
  my ($root, $spared) = @_;
  my $parent = process_table();
  my %children;
  push @{$children{$parent->{$_}}}, $_ for keys %$parent;
  my @found;
  my @open = grep { !$spared->{$_} } @{$children{$root} || []};
  while (defined(my $pid = pop @open)) {
    push @found, $pid;
    push @open, @{$children{$pid} || []};
  }
  return @found;
}

# Stops the tree until it holds still, so that no fork slips away between looking and killing.
sub kill_below {
  my ($root, $spared) = @_;
  my %stopped;
  while (my @fresh = grep { !$stopped{$_} } below($root, $spared)) {
    for my $pid (@fresh) { $stopped{$pid} = 1; kill 'STOP', $pid }
  }
  kill 'KILL', keys %stopped if %stopped;
  return scalar keys %stopped;
}

sub keep {
  my ($report, $ends, $cwd, $argv, $env) = @_;
  $0 = 'keeper';
  $SIG{CHLD} = 'DEFAULT';
  process_control($SUBREAPER, 1);
  process_control($PDEATHSIG, 9);
  for (@limits) {
    my ($resource, $value) = split /:/;
    syscall($prlimit, 0, $resource + 0, pack('QQ', $value, $value), 0);
  }
  my $main = fork;
  if (!defined $main) {
    syswrite $ends->[2], "cannot start $argv->[0]: $!\n";
    syswrite $report, pack('n', 126 << 8) . $FAREWELL;
    exit 0;
  }
  if (!$main) {
    syscall($setsid);
    process_control($PDEATHSIG, 9);
    open(STDIN, '<&', $ends->[0]);
    open(STDOUT, '>&', $ends->[1]);
    open(STDERR, '>&', $ends->[2]);
    $SIG{$_} = 'DEFAULT' for qw(PIPE HUP INT TERM QUIT USR1 USR2 ALRM);
    %ENV = (%inherited, @$env);
    if (!chdir $cwd) {
      syswrite STDERR, "cannot enter $cwd: $!\n";
      exit 126;
    }
    exec { $argv->[0] } @$argv;
    my $code = $! == 2 ? 127 : 126;
    syswrite STDERR, "$argv->[0]: $!\n";
    exit $code;
  }
  @$ends = ();
  open(STDIN, '<', '/dev/null');
  while ((my $pid = waitpid(-1, 0)) > 0) {
    syswrite $report, pack('n', $?) if $pid == $main;
  }
  syswrite $report, $FAREWELL;
  leave();
}

# Perl's own exit touches, and so copies, each page that is shared with the supervisor: half of a keeper's cost.
sub leave { kill 'KILL', $$ }

sub start {
  my ($id, $payload) = @_;
  my ($has_stdin, $cwd, $arguments, $environment) = unpack('C N/a* N/a* N/a*', $payload);
  my @argv = unpack('(N/a*)*', $arguments);
  my @env = unpack('(N/a*)*', $environment);
  my (@host, @ends, $told, $report);
  my ($pid, $failure);
  my $fed = $has_stdin ? pipe($ends[0], $host[0]) : open($ends[0], '<', '/dev/null');
  if ($fed && pipe($host[1], $ends[1]) && pipe($host[2], $ends[2]) && pipe($told, $report)) {
    set_score('1000');
    $pid = fork;
    $failure = $!;
    set_score($own_score) if !defined $pid || $pid;
    if (defined $pid && !$pid) {
      close $score if $score;
      close $from_host;
      close $to_host;
      @host = ();
      %jobs = ();
      $inbox = $outbox = '';
      close $told;
      keep($report, \@ends, $cwd, \@argv, \@env);
    }
  }
  if (!defined $pid) {
    $failure ||= $!;
    reply($STDERR, $id, "cannot start $argv[0]: $failure\n");
    reply($_, $id, '') for $STDOUT, $STDERR, $GONE;
    return reply($EXIT, $id, pack('n', 126 << 8));
  }
  nonblocking($_) for grep { $_ } @host, $told;
  $jobs{$id} = {
    keeper => $pid, told => $told, stdin => $host[0], input => '', ended => 0,
    streams => [map { { type => $_->[0], pipe => $_->[1], credit => 0, live => 1, rest => $PIPE_MAX } }
      [$STDOUT, $host[1]], [$STDERR, $host[2]]],
  };
}

# Reads once. After the main process left, the stream ends where its pipe is empty (or at what a pipe can
# hold); what background processes write later is read and thrown away, so that they don't block.
sub pump {
  my ($id, $job, $stream) = @_;
  return if !$stream->{pipe};
  if (!$stream->{live}) {
    my $count = sysread $stream->{pipe}, my $waste, 65536;
    delete $stream->{pipe} if defined $count ? $count == 0 : ($! != $AGAIN && $! != $INTR);
    return;
  }
  my $most = $stream->{credit} < 65536 ? $stream->{credit} : 65536;
  return if $most <= 0;
  my $count = sysread $stream->{pipe}, my $chunk, $most;
  if ($count) {
    reply($stream->{type}, $id, $chunk);
    $stream->{credit} -= $count;
    $stream->{rest} -= $count if defined $job->{status};
    finish_stream($id, $stream) if $stream->{rest} <= 0;
  } elsif (defined $count || ($! != $AGAIN && $! != $INTR)) {
    delete $stream->{pipe};
    finish_stream($id, $stream);
  } elsif (defined $job->{status} && $! == $AGAIN) {
    finish_stream($id, $stream);
  }
}

sub finish_stream {
  my ($id, $stream) = @_;
  $stream->{live} = 0;
  reply($stream->{type}, $id, '');
}

# Tells what has come to its end: the main process, then its streams, at last its whole tree.
sub settle {
  my ($id, $job) = @_;
  return if !defined $job->{status};
  if (!$job->{exited}) {
    reply($EXIT, $id, pack('n', $job->{status}));
    $job->{exited} = 1;
    delete $job->{stdin};
  }
  for my $stream (@{$job->{streams}}) {
    pump($id, $job, $stream) while $stream->{live} && $stream->{credit} > 0 && length $outbox < $PIPE_MAX;
  }
  if (!$job->{told} && !$job->{orphaned} && !$job->{gone}) {
    reply($GONE, $id, '');
    $job->{gone} = 1;
  }
  delete $jobs{$id} if $job->{gone} && !grep { $_->{live} } @{$job->{streams}};
}

# Hears from the keeper: the exit status, a farewell, or nothing more because it was killed.
sub hear {
  my ($id, $job) = @_;
  my $count = sysread $job->{told}, my $report, 2;
  if ($count) {
    if (defined $job->{status}) { $job->{farewell} = 1 } else { $job->{status} = unpack('n', $report) }
  } elsif (defined $count || ($! != $AGAIN && $! != $INTR)) {
    delete $job->{told};
    $job->{status} = 9 if !defined $job->{status};
    $job->{orphaned} = !$job->{farewell};
  }
}

sub feed {
  my ($id, $job) = @_;
  if (length $job->{input}) {
    my $count = syswrite $job->{stdin}, $job->{input}, 65536;
    if ($count) {
      substr($job->{input}, 0, $count, '');
      reply($TAKEN, $id, pack('N', $count));
    } elsif ($! != $AGAIN && $! != $INTR) {
      discard_input($id, $job);
    }
  }
  delete $job->{stdin} if $job->{ended} && !length $job->{input};
}

sub discard_input {
  my ($id, $job) = @_;
  delete $job->{stdin};
  reply($TAKEN, $id, pack('N', length $job->{input})) if length $job->{input};
  $job->{input} = '';
}

sub obey {
  my ($type, $id, $payload) = @_;
  return start($id, $payload) if $type == $START;
  my $job = $jobs{$id} or return;
  if ($type == $STDIN) {
    $job->{ended} = 1 if $payload eq '';
    $job->{input} .= $payload;
    $job->{stdin} ? feed($id, $job) : discard_input($id, $job);
  } elsif ($type == $CREDIT) {
    my ($which, $count) = unpack('CN', $payload);
    $job->{streams}[$which]{credit} += $count;
  } elsif ($type == $KILL) {
    $job->{killed} = 1;
  }
}

# Kills what shall go, pass after pass until it is gone: the tree of a job to be killed (its keeper may not
# have started it yet, or may have been stopped), and whatever lost its keeper.
sub hunt {
  my ($job) = @_;
  if ($job->{killed} && $job->{told}) {
    kill_below($job->{keeper}, {});
    kill 'CONT', $job->{keeper};
    return 1;
  }
  if ($job->{orphaned}) {
    my %keepers = map { $_->{keeper} => 1 } grep { $_->{told} } values %jobs;
    $job->{orphaned} = kill_below($$, \%keepers);
  }
  return $job->{orphaned};
}

# Each forked process would look these functions of the C library up anew.
kill 0, $$;
waitpid -1, 1;
chdir '.';
open(STDIN, '<', '/dev/null');
reply($READY, 0, '');
while (1) {
  my $hunting = grep { hunt($_) } values %jobs;
  settle($_, $jobs{$_}) for keys %jobs;
  my ($readable, $writable) = ('', '');
  vec($readable, fileno $from_host, 1) = 1;
  vec($writable, fileno $to_host, 1) = 1 if length $outbox;
  for my $job (values %jobs) {
    vec($readable, fileno $job->{told}, 1) = 1 if $job->{told};
    vec($writable, fileno $job->{stdin}, 1) = 1 if $job->{stdin} && length $job->{input};
    for my $stream (grep { $_->{pipe} } @{$job->{streams}}) {
      next if $stream->{live} && ($stream->{credit} <= 0 || length $outbox >= $PIPE_MAX);
      vec($readable, fileno $stream->{pipe}, 1) = 1;
    }
  }
  next if select($readable, $writable, undef, $hunting ? 0.005 : undef) < 0;
  if (length $outbox && vec($writable, fileno $to_host, 1)) {
    my $count = syswrite $to_host, $outbox, 262144;
    last if !defined $count && $! != $AGAIN && $! != $INTR;
    substr($outbox, 0, $count, '') if $count;
  }
  for my $id (keys %jobs) {
    my $job = $jobs{$id};
    for my $stream (grep { $_->{pipe} } @{$job->{streams}}) {
      pump($id, $job, $stream) if vec($readable, fileno $stream->{pipe}, 1);
    }
    feed($id, $job) if $job->{stdin} && vec($writable, fileno $job->{stdin}, 1);
    hear($id, $job) if $job->{told} && vec($readable, fileno $job->{told}, 1);
  }
  if (vec($readable, fileno $from_host, 1)) {
    my $count = sysread $from_host, $inbox, 262144, length $inbox;
    last if defined $count ? $count == 0 : ($! != $AGAIN && $! != $INTR);
    while (length $inbox >= 9) {
      my ($type, $id, $size) = unpack('CNN', $inbox);
      last if length $inbox < 9 + $size;
      my $payload = substr($inbox, 9, $size);
      substr($inbox, 0, 9 + $size, '');
      obey($type, $id, $payload);
    }
  }
}
kill_below($$, {}) and select(undef, undef, undef, 0.001) while below($$, {});
if ($doomed_directory ne '') { exec 'rm', '-rf', '--', $doomed_directory }
`;

/** What is sent: to compile the rest costs every sandbox half a millisecond. */
export const supervisorSource = readableSupervisorSource
  .split("\n")
  .map((line) => line.trim())
  .filter((line) => line !== "" && line !== "use strict;" && !line.startsWith("#"))
  .map((line) => `${line}\n`)
  .join("");
