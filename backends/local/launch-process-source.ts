/**
 * The program of a launch process: forks and becomes one bubblewrap per request. A process as large as this
 * one costs 6 ms to fork, a small Perl half a millisecond.
 *
 * Arguments: how many slots, the user to become (0: none), the numbers of setsid and prctl, the command.
 * Descriptors: 0 takes requests (`slot\n`), 1 gives ends (`slot wait-status\n`), 3 to 8 are the command's (3, 6, 7
 * and 8 as files to be opened anew, since an offset is shared), 9 is the command's input, 10 this program; from 11
 * on two for each slot: the control socket and the report.
 *
 * - A command inherits 0 to 8 and nothing else. Its stdout is one end of a pipe into which nobody writes: the
 *   other end tells when the command and all that it started have gone, so that no signal can be missed.
 * - It is in a session of its own, and has become the user before it runs.
 * - A bubblewrap that is killed in its first milliseconds leaves a child that waits for it for ever. Such a child
 *   becomes ours (we are its "subreaper"), and is ended.
 * - The end of the requests (the host has no more of them, or has died) means: leave with the last command.
 */
export const launchProcessSource = String.raw`
my ($slots, $user, $setsid, $prctl, @command) = @ARGV;
$0 = 'lachesis-launcher';
syscall($prctl + 0, 36, 1, 0, 0, 0);
$SIG{PIPE} = 'IGNORE';
# Up to here descriptors are handed on, and keep their number when their handle is opened anew.
$^F = 8;
my %own = map { open(my $handle, $_ == 5 ? '+<&=' : '<&=', $_) or exit 70; ($_ => $handle) } 3 .. 8;
my %slot;
sub private {
  open(my $handle, $_[0], $_[1]) or exit 70;
  fcntl($handle, 2, 1);
  return $handle;
}
my @files = (private('<&=', 9), private('<&=', 10));
$slot{$_} = [private('+<&=', 11 + 2 * $_), private('+<&=', 12 + 2 * $_)] for 0 .. $slots - 1;

sub become {
  my ($control, $report, $alive) = @_;
  syscall($setsid + 0);
  $SIG{PIPE} = 'DEFAULT';
  open(STDERR, '>&', $report) or return;
  open(STDIN, '<', '/proc/self/fd/9') or return;
  open(STDOUT, '>&', $alive) or return;
  for (3, 6, 7, 8) { open($own{$_}, '<', "/proc/self/fd/$_") or return }
  open($own{4}, '>&', $report) or return;
  open($own{5}, '+<&', $control) or return;
  if ($user) {
    $) = "$user $user";
    $( = $user;
    ($<, $>) = ($user, $user);
    return if $< != $user || $> != $user || $( + 0 != $user || $) + 0 != $user;
  }
  exec { $command[0] } @command;
}

my (%alive, %pid);
sub launch {
  my ($slot) = @_;
  my ($control, $report) = @{delete $slot{$slot} or return};
  my ($gone, $alive);
  my $pid = pipe($gone, $alive) ? fork : undef;
  if (!defined $pid) {
    syswrite $report, "cannot fork: $!";
    return syswrite STDOUT, "$slot 32256\n";
  }
  if (!$pid) {
    become($control, $report, $alive);
    syswrite $report, "cannot start $command[0]: $!";
    kill 'KILL', $$;
  }
  ($alive{$slot}, $pid{$slot}) = ($gone, $pid);
}

my %status;
sub end_orphans {
  my $is_left = 0;
  for my $slot (keys %pid) {
    next if waitpid($pid{$slot}, 1) != $pid{$slot};
    $status{$slot} = $?;
    delete $pid{$slot};
    $is_left = 1;
  }
  return if !$is_left;
  my %own = map { $_ => 1 } values %pid;
  opendir(my $processes, '/proc') or return;
  for (grep { /^\d+$/ } readdir $processes) {
    open(my $file, '<', "/proc/$_/stat") or next;
    local $/;
    my ($child, $parent) = (readline($file) // '') =~ /^(\d+) .*\) \S (\d+)/s or next;
    next if $parent != $$ || $own{$child};
    waitpid($child, 0) if kill 'KILL', $child;
  }
}

my ($requests, $listens, $looked) = ('', 1, 0);
while ($listens || %alive) {
  my $readable = '';
  vec($readable, 0, 1) = 1 if $listens;
  vec($readable, fileno $_, 1) = 1 for values %alive;
  next if select($readable, undef, undef, %alive ? 1 : undef) < 0;
  for my $slot (keys %alive) {
    next if !vec($readable, fileno $alive{$slot}, 1) || sysread($alive{$slot}, my $waste, 4096);
    delete $alive{$slot};
    my $pid = delete $pid{$slot};
    waitpid($pid, 0), $status{$slot} = $? if $pid;
    syswrite STDOUT, "$slot " . delete($status{$slot}) . "\n";
  }
  ($looked = time), end_orphans() if $looked != time;
  next if !$listens || !vec($readable, 0, 1);
  my $count = sysread STDIN, $requests, 4096, length $requests;
  if (!$count) {
    $listens = 0;
    %slot = ();
  }
  launch($1) while $requests =~ s/^(\d+)\n//;
}
`;
