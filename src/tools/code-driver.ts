/**
 * The Python program that runs one piece of code for `execute_code`, inside the sandbox, with the rollout's tools at
 * hand as functions of a module.
 *
 * Channels: frames from the host come in on stdin and frames to it go out on stdout, both moved to private
 * descriptors that no subprocess inherits; the code finds /dev/null as its stdin, and stderr's pipe as stdout and
 * stderr. A frame is a line `size` of 8 digits and as many bytes of JSON. First comes {code, tools} from the host;
 * then, one at a time, {tool, args} is answered by {content}; the last one is {end: null or what was raised}.
 *
 * The code can find the descriptors if it sets out to: the host takes every frame for what it is, words of the model.
 */
import type { Command } from "../contracts/sandbox.ts";

const driver = String.raw`
import builtins, os, sys

def serve():
    requests, replies = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(2, 1)
    import json, threading
    pid = os.getpid()
    lock = threading.Lock()
    read, write, getpid = os.read, os.write, os.getpid
    loads, dumps = json.loads, json.dumps

    def read_exactly(size):
        data = bytearray()
        while len(data) < size:
            chunk = read(requests, min(size - len(data), 1048576))
            if not chunk:
                os._exit(71)
            data += chunk
        return bytes(data)

    def receive():
        return loads(read_exactly(int(read_exactly(9))))

    def send(value):
        payload = dumps(value).encode("utf-8", "backslashreplace")
        if len(payload) > 8000000:
            raise ValueError("The arguments of a tool call hold more than 8 MB.")
        view = memoryview(b"%08d\n" % len(payload) + payload)
        while view:
            view = view[write(replies, view):]

    job = receive()

    def call_tool(name, arguments):
        if getpid() != pid:
            raise RuntimeError("Tools can be called in the process that runs the code, not in its children.")
        with lock:
            send({"tool": name, "args": arguments})
            content = receive()["content"]
        try:
            return loads(content)
        except ValueError:
            return {"output": content}

    def tool_function(name, parameters, description):
        def tool(*values, **named):
            if len(values) > len(parameters):
                raise TypeError("%s() takes at most %d arguments, %d were given" % (name, len(parameters), len(values)))
            arguments = dict(zip(parameters, values))
            for key, value in named.items():
                if key in arguments:
                    raise TypeError("%s() got several values for %r" % (name, key))
                arguments[key] = value
            return call_tool(name, arguments)
        tool.__name__ = tool.__qualname__ = name
        tool.__doc__ = description
        return tool

    module = type(sys)("hermes_tools", "The rollout's tools as functions; each answers with a dict.")
    module.__all__ = []
    for tool in job["tools"]:
        setattr(module, tool["name"], tool_function(tool["name"], tool["parameters"], tool["description"]))
        module.__all__.append(tool["name"])
    sys.modules["hermes_tools"] = sys.modules["lachesis_tools"] = module

    main = type(sys)("__main__")
    main.__builtins__ = builtins
    sys.modules["__main__"] = main
    source = job["code"]
    sys.path.insert(0, "")
    sys.argv[:] = ["<code>"]
    for fd, name in ((0, "stdin"), (1, "stdout"), (2, "stderr")):
        mode = "w" if fd else "r"
        stream = open(fd, mode, encoding="utf-8", errors="backslashreplace" if fd else "replace", closefd=False,
                      buffering=1 if fd else -1)
        setattr(sys, name, stream)
    error, code = None, 0
    try:
        exec(compile(source, "<code>", "exec", 0, True), main.__dict__)
    except SystemExit as problem:
        code = problem.code
        if code is None:
            code = 0
        elif not isinstance(code, int):
            error, code = str(code), 1
        if code != 0 and error is None:
            error = "The code ended with sys.exit(%r)." % (code,)
    except BaseException as problem:
        code = 1
        import linecache, traceback
        linecache.cache["<code>"] = (len(source), None, source.splitlines(True), "<code>")
        trace = problem.__traceback__
        while trace is not None and trace.tb_frame.f_code.co_filename != "<code>":
            trace = trace.tb_next
        error = "".join(traceback.format_exception(type(problem), problem, trace))
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:
            pass
    if getpid() != pid:
        os._exit(code & 255)
    with lock:
        send({"end": error})

serve()
`;

/** Starts the driver in the workspace; it waits for its first frame. */
export function codeCommand(workspace: string): Command {
  return { argv: ["python3", "-B", "-X", "utf8", "-c", driver], cwd: workspace };
}
