/**
 * The Python program behind PythonNursery: one warm interpreter that forks a child for each session, and carries the
 * children's streams over its own stdin and stdout as frames (`type(1) session(4) size(4) payload`, big-endian).
 *
 * Invariants:
 * - A child is the usual driver, started by fork instead of by exec: to it nothing is different.
 * - Each session has a directory of its own, which goes with it, and a process group of its own, which is killed when
 *   the session's process has ended.
 * - The host says what is wanted (O open, I input, K kill); it is told what the child wrote (o stdout, e stderr) and
 *   its wait status (x), which is the last frame of a session.
 * - The host gone (end of stdin) means: leave; the sandbox kills what is left.
 */
export const nurserySource = String.raw`
import builtins, gc, os, select, shutil, signal, struct, sys
import ast, traceback
driver = compile(sys.argv[1], "<repl>", "exec")
root = sys.argv[2]
poll = select.poll()
sessions, owners = {}, {}
header = struct.Struct(">cII")
KILL = signal.SIGKILL


class Session:
    pass


def send(kind, number, payload=b""):
    view = memoryview(header.pack(kind, number, len(payload)) + payload)
    while view:
        view = view[os.write(1, view):]


def watch(fd, events, session, role):
    owners[fd] = (session, role)
    poll.register(fd, events)


def forget(fd):
    if owners.pop(fd, None) is not None:
        poll.unregister(fd)
        os.close(fd)


def child(place, ends):
    os.setpgid(0, 0)
    for target, fd in enumerate(ends):
        os.dup2(fd, target)
    os.closerange(3, max(owners, default=3) + 64)
    sys.argv[:] = ["-c", "", place]
    exec(driver, {"__builtins__": dict(vars(builtins)), "__name__": "repl"})


def open_session(number):
    place = "%s/session-%d" % (root, number)
    os.mkdir(place)
    (their_input, our_input), (output, their_output), (error, their_error) = os.pipe(), os.pipe(), os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            child(place, (their_input, their_output, their_error))
        finally:
            os._exit(70)
    try:
        os.setpgid(pid, pid)
    except OSError:
        pass
    for fd in (their_input, their_output, their_error):
        os.close(fd)
    session = Session()
    session.number, session.pid, session.place, session.pending = number, pid, place, b""
    session.input, session.outputs = our_input, {b"o": output, b"e": error}
    for fd in (our_input, output, error):
        os.set_blocking(fd, False)
    sessions[number] = session
    owners[our_input] = (session, b"i")
    poll.register(our_input, 0)
    watch(output, select.POLLIN, session, b"o")
    watch(error, select.POLLIN, session, b"e")
    watch(os.pidfd_open(pid), select.POLLIN, session, b"x")


def feed(session):
    try:
        while session.pending:
            session.pending = session.pending[os.write(session.input, session.pending):]
    except BlockingIOError:
        pass
    except OSError:
        session.pending = b""
    poll.modify(session.input, select.POLLOUT if session.pending else 0)


def relay(session, kind):
    fd = session.outputs[kind]
    try:
        data = os.read(fd, 65536)
    except BlockingIOError:
        return False
    except OSError:
        data = b""
    if data:
        send(kind, session.number, data)
        return True
    forget(fd)
    del session.outputs[kind]
    return False


def kill_group(session):
    try:
        os.killpg(session.pid, KILL)
    except OSError:
        pass


def end(session, pidfd):
    # Whatever is left of it goes first, so that nothing is written behind the end; what a full pipe holds is told.
    kill_group(session)
    status = os.waitpid(session.pid, 0)[1]
    for kind in list(session.outputs):
        for _ in range(16):
            if not relay(session, kind):
                break
        if kind in session.outputs:
            forget(session.outputs[kind])
    forget(session.input)
    forget(pidfd)
    del sessions[session.number]
    try:
        os.rmdir(session.place)
    except OSError:
        shutil.rmtree(session.place, ignore_errors=True)
    code = 128 + (status & 127) if status & 127 else status >> 8
    send(b"x", session.number, struct.pack(">H", code))


def obey(kind, number, payload):
    session = sessions.get(number)
    if kind == b"O":
        try:
            open_session(number)
        except OSError as problem:
            send(b"e", number, ("cannot start a session: %s\n" % problem).encode())
            send(b"x", number, struct.pack(">H", 126))
    elif session is None:
        pass
    elif kind == b"I":
        session.pending += payload
        feed(session)
    elif kind == b"K":
        kill_group(session)


gc.collect()
gc.freeze()
inbox = b""
poll.register(0, select.POLLIN)
while True:
    for fd, event in poll.poll():
        if fd == 0:
            data = os.read(0, 262144)
            if not data:
                os._exit(0)
            inbox += data
            while len(inbox) >= 9:
                kind, number, size = header.unpack_from(inbox)
                if len(inbox) < 9 + size:
                    break
                payload, inbox = inbox[9:9 + size], inbox[9 + size:]
                obey(kind, number, payload)
            continue
        owner = owners.get(fd)
        if owner is None:
            continue
        session, role = owner
        if role == b"x":
            end(session, fd)
        elif role == b"i":
            if event & select.POLLOUT:
                feed(session)
            else:
                # The child has closed its end: nothing more can be fed.
                session.pending = b""
                poll.modify(fd, 0)
                poll.unregister(fd)
                poll.register(fd, 0)
        else:
            relay(session, role)
`;
