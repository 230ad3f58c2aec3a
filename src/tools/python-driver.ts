/**
 * The Python program that runs a rollout's REPL inside the sandbox. It stands here as a string because only
 * what `tsc` emits is published.
 *
 * Channels: requests come in on stdin and replies go out on stdout, both duplicated to private descriptors
 * before any user code runs; user code finds /dev/null as fd 0 and the process's stderr pipe as fd 1 and fd 2
 * (its subprocesses too). After each call the driver writes `NUL id NUL` to that pipe, so that the host knows
 * where the call's output ends. Layouts: `python-frames.ts`.
 *
 * User code shares the interpreter and can reach anything; the driver only sees to it that what user code
 * does by accident (replacing builtins or sys.stdout, forking, closing descriptors, leaving trace functions)
 * does not hurt. Against what it does on purpose the host defends itself: a bad frame ends the process.
 * - The driver runs on a private copy of the builtins, with every function it needs bound beforehand.
 * - Its imports pass the workspace by: a file `ast.py` there must not shadow anything.
 * - `traceback` and what it needs are imported at the first error, for they take longer than Python itself to
 *   start; `linecache`, whoever imports it, knows the lines of the cells (CellLines).
 * - The time limit is SIGALRM, raising a KeyboardInterrupt that `except Exception` does not catch.
 */

import type { Command } from "../contracts/sandbox.ts";
import { nurserySource } from "./python-nursery-source.ts";

/** Characters kept of a value or a traceback, head and tail. */
const textLimit = 20_000;

const driverSource = String.raw`
import _ast, _signal, builtins, os, sys
try:
    os.chdir(sys.argv[2])
except OSError:
    pass
sys.argv[:] = [""]


class TimeLimitExceeded(KeyboardInterrupt):
    pass


TimeLimitExceeded.__module__ = "builtins"


def serve(sys=sys, read=os.read, write=os.write, dup2=os.dup2, exit_now=os._exit, getpid=os.getpid,
          handle_signal=_signal.signal, set_timer=_signal.setitimer, ALARM=_signal.SIGALRM,
          IGNORE=_signal.SIG_IGN, TIMER=_signal.ITIMER_REAL, settrace=sys.settrace, setprofile=sys.setprofile,
          Expr=_ast.Expr, Expression=_ast.Expression, ONLY_AST=_ast.PyCF_ONLY_AST):
    requests, replies, output = os.dup(0), os.dup(1), os.dup(2)
    null = os.open(os.devnull, os.O_RDONLY)
    pid = getpid()
    armed = [False]

    main = type(sys)("__main__")
    main.__builtins__ = builtins
    sys.modules["__main__"] = main
    namespace = main.__dict__
    library_path = [place for place in sys.path if place]
    line_cache = {}
    formatter = []

    class CellLines:
        @staticmethod
        def find_spec(name, path=None, target=None):
            if name != "linecache":
                return None
            sys.meta_path.remove(CellLines)
            for finder in sys.meta_path:
                spec = finder.find_spec(name, path, target)
                if spec is not None:
                    break
            execute_module = spec.loader.exec_module

            def exec_module(module):
                execute_module(module)
                module.cache = line_cache

            spec.loader.exec_module = exec_module
            return spec

    if "linecache" in sys.modules:
        sys.modules["linecache"].cache = line_cache
    else:
        sys.meta_path.insert(0, CellLines)

    def import_formatter():
        path, sys.path = sys.path, library_path
        try:
            # traceback itself imports ast when it first marks a part of a line.
            import ast, traceback
        finally:
            sys.path = path
        formatter.append(traceback.format_exception)

    def open_stream(fd, mode):
        if mode == "r":
            return open(fd, "r", encoding="utf-8", closefd=False)
        return open(fd, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False)

    dup2(null, 0)
    dup2(output, 1)
    streams = [open_stream(0, "r"), open_stream(1, "w"), open_stream(2, "w")]

    def read_exactly(size):
        data = b""
        while len(data) < size:
            chunk = read(requests, size - len(data))
            if not chunk:
                exit_now(0)
            data += chunk
        return data

    def write_all(fd, data):
        view = memoryview(data)
        while view:
            view = view[write(fd, view):]

    def reply(call, status, value, error):
        value, error = encode(value), encode(error)
        write_all(replies, b"%s %s %08d %08d\n" % (call, status, len(value), len(error)) + value + error)

    def encode(text):
        text = str.encode(text, "utf-8", "backslashreplace").decode("utf-8")
        if len(text) > ${textLimit}:
            head, tail = text[:${textLimit * 0.4}], text[-${textLimit * 0.6}:]
            missing = "%d of %d characters left out" % (len(text) - len(head) - len(tail), len(text))
            text = "%s\n\n... [OUTPUT TRUNCATED: %s] ...\n\n%s" % (head, missing, tail)
        return text.encode("utf-8")

    def on_alarm(number, frame):
        if armed[0]:
            armed[0] = False
            raise TimeLimitExceeded()

    def limited(seconds, function, *arguments):
        try:
            handle_signal(ALARM, on_alarm)
            armed[0] = True
            set_timer(TIMER, seconds)
            return function(*arguments)
        finally:
            armed[0] = False
            set_timer(TIMER, 0)

    def open_standard_streams():
        dup2(null, 0)
        dup2(output, 1)
        dup2(output, 2)
        for fd in range(3):
            if streams[fd].closed:
                streams[fd] = open_stream(fd, "w" if fd else "r")
        sys.stdin, sys.stdout, sys.stderr = streams

    def flush():
        for stream in (sys.stdout, sys.stderr, streams[1], streams[2]):
            try:
                stream.flush()
            except Exception:
                pass

    def run(source, filename):
        line_cache[filename] = (len(source), None, source.splitlines(True), filename)
        tree = compile(source, filename, "exec", ONLY_AST, True)
        last = Expression(tree.body.pop().value) if tree.body and type(tree.body[-1]) is Expr else None
        exec(compile(tree, filename, "exec", 0, True), namespace)
        value = None if last is None else eval(compile(last, filename, "eval", 0, True), namespace)
        text = "" if value is None else repr(value)
        flush()
        return text

    def describe(problem):
        if isinstance(problem, SystemExit) and problem.code in (None, 0):
            return ""
        trace = problem.__traceback__
        while trace is not None and trace.tb_frame.f_code.co_filename == "<repl>":
            trace = trace.tb_next
        frame = trace
        while frame is not None:
            if frame.tb_next is not None and frame.tb_next.tb_frame.f_code.co_filename == "<repl>":
                frame.tb_next = None
            frame = frame.tb_next
        if not formatter:
            import_formatter()
        return "".join(formatter[0](type(problem), problem, trace))

    def name_only(problem):
        return "%s: %s (its traceback cannot be shown)" % (type(problem).__name__, problem)

    def execute(source, filename, seconds):
        try:
            return b"S", limited(seconds, run, source, filename), ""
        except BaseException as caught:
            problem = caught
        status = b"T" if type(problem) is TimeLimitExceeded else b"E"
        error = type(problem).__name__
        for way in (describe, name_only):
            try:
                error = limited(2, way, problem)
                break
            except BaseException:
                pass
        try:
            limited(2, flush)
        except BaseException:
            pass
        return (b"S" if error == "" else status), "", error

    reply(b"0" * 32, b"R", "", "")
    count = 0
    while True:
        call, milliseconds, size = read_exactly(59).split()
        source = read_exactly(int(size)).decode("utf-8")
        count += 1
        open_standard_streams()
        status, value, error = execute(source, "<cell %d>" % count, int(milliseconds) / 1000)
        if getpid() != pid:
            # A child that os.fork() made has come to the end of its code: only the parent goes on.
            if error:
                write_all(2, encode(error))
            exit_now(1 if error else 0)
        settrace(None)
        setprofile(None)
        handle_signal(ALARM, IGNORE)
        write_all(output, b"\0" + call + b"\0")
        reply(call, status, value, error)


try:
    serve()
except BaseException:
    os._exit(70)
`;

const bootstrap =
  "import builtins, sys; " +
  'exec(compile(sys.argv[1], "<repl>", "exec"), {"__builtins__": dict(vars(builtins)), "__name__": "repl"})';

/**
 * Starts the driver, which goes to the workspace by itself (and stays in / where the model removed it). The
 * "" at the front of sys.path, as Python has it with -c, lets the workspace's modules be imported.
 */
export function pythonCommand(workspace: string): Command {
  return { argv: ["python3", "-B", "-X", "utf8", "-c", bootstrap, driverSource, workspace], cwd: "/" };
}

/** Starts the warm interpreter that forks drivers, each in a directory below the workspace (python-nursery.ts). */
export function nurseryCommand(workspace: string): Command {
  return {
    argv: ["python3", "-B", "-X", "utf8", "-c", nurserySource, driverSource, workspace],
    cwd: workspace,
  };
}
