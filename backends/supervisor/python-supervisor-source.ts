/**
 * The supervisor again, for places without Perl: the same frames, the same promises, written down a second time in
 * Python 3.6. What it does and why stands in `supervisor-source.ts`; whoever changes the one changes the other.
 * It only ever speaks over stdin and stdout, and needs no numbers of system calls: ctypes knows prctl.
 *
 * No `${` may appear below: this is a template literal.
 */
export const pythonSupervisorSource = String.raw`
import ctypes, errno, os, resource, select, signal, struct, sys

doomed_directory, inheritance = sys.argv[1:3]
inherited = dict(os.environb) if inheritance == 'inherit' else {}
limits = [tuple(int(number) for number in pair.split(':')) for pair in sys.argv[7:]]
PIPE_MAX = 1048576
PDEATHSIG, DUMPABLE, NAME, SUBREAPER, NO_NEW_PRIVS = 1, 4, 15, 36, 38
START, STDIN, CREDIT, KILL = 1, 2, 3, 4
READY, STDOUT, STDERR, TAKEN, EXIT, GONE = 16, 17, 18, 19, 20, 21
FAREWELL = b'ok'
IGNORED = ('HUP', 'INT', 'TERM', 'QUIT', 'USR1', 'USR2', 'ALRM')

libc = ctypes.CDLL(None)


def process_control(option, value):
    if isinstance(value, int):
        value = ctypes.c_ulong(value)
    libc.prctl(ctypes.c_int(option), value, ctypes.c_ulong(0), ctypes.c_ulong(0), ctypes.c_ulong(0))


# The file must be opened while this process is still dumpable.
try:
    score = os.open('/proc/self/oom_score_adj', os.O_RDWR)
    own_score = os.read(score, 16)
except OSError:
    score = own_score = None


def set_score(value):
    if own_score:
        try:
            os.write(score, value)
        except OSError:
            pass


process_control(NAME, b'supervisor')
process_control(DUMPABLE, 0)
process_control(SUBREAPER, 1)
process_control(NO_NEW_PRIVS, 1)
from_host, to_host = os.dup(0), os.dup(1)
null = os.open('/dev/null', os.O_RDWR)
os.dup2(null, 0)
os.dup2(null, 1)
for descriptor in [int(name) for name in os.listdir('/proc/self/fd')]:
    if descriptor > 2 and descriptor not in (from_host, to_host, null, score):
        try:
            os.close(descriptor)
        except OSError:
            pass
for descriptor in (from_host, to_host):
    os.set_blocking(descriptor, False)
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
for name in IGNORED:
    signal.signal(getattr(signal, 'SIG' + name), signal.SIG_IGN)

inbox, outbox = bytearray(), bytearray()
jobs = {}


class Stream:
    def __init__(self, kind, pipe):
        self.kind, self.pipe, self.credit, self.live, self.rest = kind, pipe, 0, True, PIPE_MAX

    def close(self):
        self.pipe = close(self.pipe)


class Job:
    def __init__(self, keeper, told, stdin, streams):
        self.keeper, self.told, self.stdin, self.streams = keeper, told, stdin, streams
        self.input, self.ended, self.status = bytearray(), False, None
        self.exited = self.gone = self.orphaned = self.farewell = self.killed = False


def close(descriptor):
    if descriptor is not None:
        os.close(descriptor)
    return None


def reply(kind, number, payload=b''):
    outbox.extend(struct.pack('>BII', kind, number, len(payload)) + payload)


# None: nothing for now; empty: there is nothing more.
def read(descriptor, most):
    try:
        return os.read(descriptor, most)
    except BlockingIOError:
        return None
    except OSError:
        return b''


# None: no room for now; 0: nobody reads any more.
def write(descriptor, content):
    try:
        return os.write(descriptor, content)
    except BlockingIOError:
        return None
    except OSError:
        return 0


def below(root, spared=()):
    children = {}
    for pid in os.listdir('/proc'):
        if not pid.isdigit():
            continue
        try:
            with open('/proc/' + pid + '/stat', 'rb') as stat:
                fields = stat.read().rpartition(b') ')[2].split()
            state, parent, threads = fields[0], fields[1], int(fields[17])
        except (OSError, ValueError, IndexError):
            continue
        if state not in (b'Z', b'X') or threads > 1:
            children.setdefault(int(parent), []).append(int(pid))
    found, waiting = [], [pid for pid in children.get(root, []) if pid not in spared]
    while waiting:
        found.append(waiting.pop())
        waiting.extend(children.get(found[-1], []))
    return found


def send_signal(pid, number):
    try:
        os.kill(pid, number)
    except OSError:
        pass


# Stops the tree until it holds still, so that no fork slips away between looking and killing.
def kill_below(root, spared=()):
    stopped = set()
    while True:
        fresh = [pid for pid in below(root, spared) if pid not in stopped]
        if not fresh:
            break
        for pid in fresh:
            stopped.add(pid)
            send_signal(pid, signal.SIGSTOP)
    for pid in stopped:
        send_signal(pid, signal.SIGKILL)
    return len(stopped)


def become(argv, env):
    if b'/' in argv[0]:
        candidates = [argv[0]]
    else:
        path = env.get(b'PATH', b'/bin:/usr/bin')
        candidates = [(directory or b'.') + b'/' + argv[0] for directory in path.split(b':')]
    failure = errno.ENOENT
    for candidate in candidates:
        try:
            os.execve(candidate, argv, env)
        except OSError as error:
            if error.errno == errno.ENOEXEC:
                os.execve(b'/bin/sh', [b'sh', candidate] + argv[1:], env)
            if error.errno not in (errno.ENOENT, errno.ENOTDIR):
                failure = error.errno
    os.write(2, argv[0] + b': ' + os.strerror(failure).encode() + b'\n')
    os._exit(127 if failure == errno.ENOENT else 126)


def keep(report, ends, cwd, argv, env):
    process_control(NAME, b'keeper')
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    process_control(SUBREAPER, 1)
    process_control(PDEATHSIG, 9)
    for number, value in limits:
        try:
            resource.setrlimit(number, (value, value))
        except (OSError, ValueError):
            pass
    try:
        main = os.fork()
    except OSError as error:
        os.write(ends[2], b'cannot start ' + argv[0] + b': ' + os.strerror(error.errno).encode() + b'\n')
        os.write(report, struct.pack('>H', 126 << 8) + FAREWELL)
        return
    if main == 0:
        os.setsid()
        process_control(PDEATHSIG, 9)
        for number, end in enumerate(ends):
            os.dup2(end, number)
        for name in IGNORED + ('PIPE', 'XFSZ'):
            signal.signal(getattr(signal, 'SIG' + name), signal.SIG_DFL)
        try:
            os.chdir(cwd)
        except OSError as error:
            os.write(2, b'cannot enter ' + cwd + b': ' + os.strerror(error.errno).encode() + b'\n')
            os._exit(126)
        become(argv, env)
    for end in ends:
        os.close(end)
    while True:
        try:
            pid, status = os.waitpid(-1, 0)
        except ChildProcessError:
            break
        if pid == main:
            os.write(report, struct.pack('>H', status))
    os.write(report, FAREWELL)


def unpack_bytes(payload, start):
    end = start + 4 + struct.unpack_from('>I', payload, start)[0]
    return payload[start + 4:end], end


def unpack_list(payload):
    items, start = [], 0
    while start < len(payload):
        item, start = unpack_bytes(payload, start)
        items.append(item)
    return items


def start(number, payload):
    cwd, position = unpack_bytes(payload, 1)
    arguments, position = unpack_bytes(payload, position)
    environment, position = unpack_bytes(payload, position)
    argv, pairs = unpack_list(arguments), unpack_list(environment)
    env = dict(inherited)
    env.update(zip(pairs[::2], pairs[1::2]))
    opened = []

    def open_pipe():
        opened.extend(os.pipe())
        return opened[-2:]

    try:
        stdin_end, stdin = open_pipe() if payload[0] else (os.dup(null), None)
        if stdin is None:
            opened.append(stdin_end)
        stdout, stdout_end = open_pipe()
        stderr, stderr_end = open_pipe()
        told, report = open_pipe()
        set_score(b'1000')
        try:
            pid = os.fork()
        finally:
            if os.getpid() == supervisor_pid:
                set_score(own_score)
    except OSError as error:
        for descriptor in opened:
            os.close(descriptor)
        reply(STDERR, number, b'cannot start ' + argv[0] + b': ' + os.strerror(error.errno).encode() + b'\n')
        for kind in (STDOUT, STDERR, GONE):
            reply(kind, number)
        return reply(EXIT, number, struct.pack('>H', 126 << 8))
    if pid == 0:
        try:
            for descriptor in (score, from_host, to_host, stdin, stdout, stderr, told):
                close(descriptor)
            for job in jobs.values():
                for descriptor in [job.told, job.stdin] + [stream.pipe for stream in job.streams]:
                    close(descriptor)
            keep(report, [stdin_end, stdout_end, stderr_end], cwd, argv, env)
        finally:
            os._exit(0)
    for descriptor in (stdin_end, stdout_end, stderr_end, report):
        os.close(descriptor)
    for descriptor in (stdin, stdout, stderr, told):
        if descriptor is not None:
            os.set_blocking(descriptor, False)
    jobs[number] = Job(pid, told, stdin, [Stream(STDOUT, stdout), Stream(STDERR, stderr)])


# Reads once. After the main process left, the stream ends where its pipe is empty (or at what a pipe can
# hold); what background processes write later is read and thrown away, so that they don't block.
def pump(number, job, stream):
    if stream.pipe is None:
        return
    if not stream.live:
        if read(stream.pipe, 65536) == b'':
            stream.close()
        return
    most = min(stream.credit, 65536)
    if most <= 0:
        return
    chunk = read(stream.pipe, most)
    if chunk:
        reply(stream.kind, number, chunk)
        stream.credit -= len(chunk)
        if job.status is not None:
            stream.rest -= len(chunk)
        if stream.rest <= 0:
            finish_stream(number, stream)
    elif chunk is not None:
        stream.close()
        finish_stream(number, stream)
    elif job.status is not None:
        finish_stream(number, stream)


def finish_stream(number, stream):
    stream.live = False
    reply(stream.kind, number)


# Tells what has come to its end: the main process, then its streams, at last its whole tree.
def settle(number, job):
    if job.status is None:
        return
    if not job.exited:
        reply(EXIT, number, struct.pack('>H', job.status))
        job.exited = True
        job.stdin = close(job.stdin)
    for stream in job.streams:
        while stream.live and stream.credit > 0 and len(outbox) < PIPE_MAX:
            pump(number, job, stream)
    if job.told is None and not job.orphaned and not job.gone:
        reply(GONE, number)
        job.gone = True
    if job.gone and not any(stream.live for stream in job.streams):
        for stream in job.streams:
            stream.close()
        del jobs[number]


# Hears from the keeper: the exit status, a farewell, or nothing more because it was killed.
def hear(job):
    report = read(job.told, 2)
    if report:
        if job.status is not None:
            job.farewell = True
        else:
            job.status = struct.unpack('>H', report)[0]
    elif report is not None:
        job.told = close(job.told)
        if job.status is None:
            job.status = 9
        job.orphaned = not job.farewell


def feed(number, job):
    if job.input:
        count = write(job.stdin, job.input[:65536])
        if count:
            del job.input[:count]
            reply(TAKEN, number, struct.pack('>I', count))
        elif count == 0:
            discard_input(number, job)
    if job.ended and not job.input:
        job.stdin = close(job.stdin)


def discard_input(number, job):
    job.stdin = close(job.stdin)
    if job.input:
        reply(TAKEN, number, struct.pack('>I', len(job.input)))
    job.input.clear()


def obey(kind, number, payload):
    if kind == START:
        return start(number, payload)
    job = jobs.get(number)
    if job is None:
        return
    if kind == STDIN:
        if not payload:
            job.ended = True
        job.input.extend(payload)
        if job.stdin is None:
            discard_input(number, job)
        else:
            feed(number, job)
    elif kind == CREDIT:
        which, count = struct.unpack('>BI', payload)
        job.streams[which].credit += count
    elif kind == KILL:
        job.killed = True


# Kills what shall go, pass after pass until it is gone: the tree of a job to be killed (its keeper may not
# have started it yet, or may have been stopped), and whatever lost its keeper.
def hunt(job):
    if job.killed and job.told is not None:
        kill_below(job.keeper)
        send_signal(job.keeper, signal.SIGCONT)
        return True
    if job.orphaned:
        keepers = [other.keeper for other in jobs.values() if other.told is not None]
        job.orphaned = kill_below(supervisor_pid, keepers) > 0
    return job.orphaned


def serve():
    while True:
        hunting = [job for job in list(jobs.values()) if hunt(job)]
        for number, job in list(jobs.items()):
            settle(number, job)
        wanted = {from_host: select.POLLIN}
        if outbox:
            wanted[to_host] = select.POLLOUT
        for job in jobs.values():
            if job.told is not None:
                wanted[job.told] = select.POLLIN
            if job.stdin is not None and job.input:
                wanted[job.stdin] = select.POLLOUT
            for stream in job.streams:
                stalled = stream.live and (stream.credit <= 0 or len(outbox) >= PIPE_MAX)
                if stream.pipe is not None and not stalled:
                    wanted[stream.pipe] = select.POLLIN
        poll = select.poll()
        for descriptor, events in wanted.items():
            poll.register(descriptor, events)
        ready = {descriptor for descriptor, events in poll.poll(5 if hunting else None)}
        if outbox and to_host in ready:
            count = write(to_host, outbox[:262144])
            if count == 0:
                return
            if count:
                del outbox[:count]
        for number, job in list(jobs.items()):
            for stream in job.streams:
                if stream.pipe in ready:
                    pump(number, job, stream)
            if job.stdin in ready:
                feed(number, job)
            if job.told in ready:
                hear(job)
        if from_host in ready:
            chunk = read(from_host, 262144)
            if chunk == b'':
                return
            inbox.extend(chunk or b'')
            while len(inbox) >= 9:
                kind, number, size = struct.unpack_from('>BII', inbox)
                if len(inbox) < 9 + size:
                    break
                payload = bytes(inbox[9:9 + size])
                del inbox[:9 + size]
                obey(kind, number, payload)


supervisor_pid = os.getpid()
reply(READY, 0)
serve()
while below(supervisor_pid):
    if kill_below(supervisor_pid):
        select.select([], [], [], 0.001)
if doomed_directory:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.execvp('rm', ['rm', '-rf', '--', doomed_directory])
os._exit(0)
`;
