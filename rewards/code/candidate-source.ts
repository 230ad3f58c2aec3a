/**
 * The Python program that holds the model's code, and calls it on demand. Nothing in this process is trusted: it knows
 * no expected value, and what it says is compared elsewhere. The first line it reads is `{ source, path, workspace }`.
 */
import { peerSource } from "./peer-source.ts";

export const candidateSource = `${peerSource}
import types


class Candidate(Peer):
    failure = None

    def load(self, source, path, workspace):
        add_site_directories(workspace)
        sys.path.append(workspace)
        self.module = types.ModuleType("solution")
        self.module.__file__ = path
        sys.modules["solution"] = self.module
        sys.argv = [path]
        try:
            exec(compile(source, path, "exec"), self.module.__dict__)
        except BaseException as error:
            self.failure = error

    def find_global(self, name):
        namespace = self.module.__dict__
        if name in namespace:
            return namespace[name]
        if isinstance(namespace.get("Solution"), type) and hasattr(namespace["Solution"], name):
            return getattr(namespace["Solution"](), name)
        if self.failure is not None:
            raise self.failure
        raise NameError(name)

    def perform(self, request):
        if "run" in request:
            name, arguments = request["run"]
            return {"ret": self.encode(self.find_global(name)(*json.loads(arguments)))}
        return Peer.perform(self, request)


def main():
    peer = Candidate(*open_channel())
    peer.load(**peer.receive())
    try:
        while True:
            peer.serve(peer.receive())
    except Gone:
        os._exit(0)


main()
`;
