/**
 * The Python program that runs a row's test code, in a place where no code of the model ever ran. What the tests call
 * of the model's is a proxy into the candidate's process. The first line it reads is
 * `{ nonce, setup: [source], test, entry_point, workspace }`; its last words are `{ verdict: nonce, passed, invalid }`.
 *
 * `setup` (imports, the prompt with its helper functions) is the dataset's own: a helper that the tests use must not be
 * the model's version of it. Only `entry_point`, and names that nothing defines, are asked of the candidate.
 */
import { peerSource } from "./peer-source.ts";

export const judgeSource = `${peerSource}
import dis


def names_read(code):
    for instruction in dis.get_instructions(code):
        if instruction.opname in ("LOAD_NAME", "LOAD_GLOBAL"):
            yield instruction.argval
    for constant in code.co_consts:
        if isinstance(constant, type(code)):
            yield from names_read(constant)


def stay_private():
    """Where judge and candidate share a sandbox: no debugger, no /proc/PID/mem for processes of the same user."""
    try:
        import ctypes

        ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)
    except Exception:
        pass


class Judge(Peer):
    """Lets the candidate call what a test gave it as an argument, and see nothing else of this process."""

    def perform(self, request):
        if "call" not in request or "get" in request:
            raise PermissionError("only what a test passed may be called")
        return Peer.perform(self, {"call": request["call"]})


def judge(peer, setup, test, entry_point):
    namespace = {"__name__": "tests"}
    try:
        for source in setup:
            exec(compile(source, "<setup>", "exec"), namespace)
        program = compile(test, "<tests>", "exec")
    except Exception as error:
        return {"passed": False, "invalid": type(error).__name__ + ": " + str(error)}
    wanted = set(names_read(program)) - set(dir(builtins))
    if entry_point is not None:
        namespace.pop(entry_point, None)
        wanted |= {entry_point}
    try:
        for name in sorted(wanted - set(namespace)):
            try:
                namespace[name] = peer.decode(peer.ask({"global": name})["ret"])
            except Exception:
                if name == entry_point:
                    raise
        if entry_point is not None:
            namespace["candidate"] = namespace[entry_point]
        exec(program, namespace)
        check = namespace.get("check")
        if entry_point is not None and callable(check) and not isinstance(check, Proxy):
            check(namespace[entry_point])
        return {"passed": True, "invalid": None}
    except BaseException:
        return {"passed": False, "invalid": None}


def main():
    stay_private()
    peer = Judge(*open_channel())
    task = peer.receive()
    add_site_directories(task["workspace"])
    verdict = judge(peer, task["setup"], task["test"], task["entry_point"])
    peer.send({"verdict": task["nonce"], **verdict})
    os._exit(0)


main()
`;
