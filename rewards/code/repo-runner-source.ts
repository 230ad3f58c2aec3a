/**
 * The Python program that runs a repository's rewritten tests beside the model's code, with pytest or unittest, and
 * reports what they find. Nothing here is trusted: the code under test can change all of it, and knows none of the
 * answers (`repo-judge-source.ts`). The first line it reads is `{ name, root, paths, ids, framework }`.
 */
import { peerSource } from "./peer-source.ts";

export const repoRunnerSource = `${peerSource}
import importlib.util, io, traceback, unittest


class Runner(Peer):
    def held(self, number, value):
        try:
            given = self.encode(value)
        except Exception:
            given = ["x"]
        if self.has_objects(given):
            self.send({"choose": number})
            offers = [self.decode(offer) for offer in self.receive()["offers"]]
            self.send({"chosen": [number, [self.equals(value, offer) for offer in offers]]})
        else:
            self.send({"held": [number, given]})

    def has_objects(self, given):
        return isinstance(given, list) and (given[0] in ("o", "p", "x") or any(self.has_objects(item) for item in given[1:]))

    @staticmethod
    def equals(value, offer):
        try:
            return bool(value == offer)
        except Exception:
            return False


def with_unittest(peer, root, paths, ids):
    def flat(suite):
        for test in suite:
            if isinstance(test, unittest.TestSuite):
                yield from flat(test)
            else:
                yield test

    class Result(unittest.TestResult):
        def startTest(self, test):
            super().startTest(test)
            peer.send({"start": test.lachesis_id})
            test.lachesis_outcome = "passed"

        def stopTest(self, test):
            peer.send({"end": [test.lachesis_id, test.lachesis_outcome]})

        def addError(self, test, error):
            test.lachesis_outcome = "failed"

        addFailure = addError

        def addSkip(self, test, reason):
            test.lachesis_outcome = "skipped"

        def addExpectedFailure(self, test, error):
            pass

        def addUnexpectedSuccess(self, test):
            test.lachesis_outcome = "failed"

        def addSubTest(self, test, subtest, error):
            if error is not None:
                test.lachesis_outcome = "failed"

    for path in paths:
        name = path[:-3].replace("/", ".")
        try:
            spec = importlib.util.spec_from_file_location(name, os.path.join(root, path))
            module = importlib.util.module_from_spec(spec)
            sys.modules[name] = module
            spec.loader.exec_module(module)
            # Functions as pytest has them, where they need nothing.
            cases = [(test, path + "::" + type(test).__qualname__.replace(".", "::") + "::" + getattr(test, "_testMethodName", "")) for test in flat(unittest.defaultTestLoader.loadTestsFromModule(module))]
            for key, value in list(vars(module).items()):
                if key.startswith("test") and callable(value) and not isinstance(value, type):
                    cases.append((unittest.FunctionTestCase(value), path + "::" + key))
        except Exception:
            continue
        for test, test_id in cases:
            if test_id in ids:
                test.lachesis_id = test_id
                unittest.TestSuite([test]).run(Result())


def with_pytest(peer, root, paths, ids):
    import pytest

    class Plugin:
        @pytest.hookimpl(trylast=True)
        def pytest_collection_modifyitems(self, items):
            items[:] = [item for item in items if item.nodeid in ids]

        @pytest.hookimpl(hookwrapper=True)
        def pytest_runtest_protocol(self, item):
            self.outcome = "skipped"
            peer.send({"start": item.nodeid})
            yield
            peer.send({"end": [item.nodeid, self.outcome]})

        def pytest_runtest_logreport(self, report):
            if report.failed:
                self.outcome = "failed"
            elif report.when == "call" and report.passed and self.outcome == "skipped":
                self.outcome = "passed"

    os.chdir(root)
    pytest.main(["-q", "-p", "no:cacheprovider", "-o", "addopts=", "--continue-on-collection-errors", "--rootdir", root, *paths], plugins=[Plugin()])


def main():
    peer = Runner(*open_channel())
    task = peer.receive()
    root, framework, ids = task["root"], task["framework"], set(task["ids"])
    add_site_directories(root)
    for name in ("random", "math", "re", "datetime", "functools", "itertools", "typing"):
        __import__(name)
    has_pytest = framework != "unittest" and importlib.util.find_spec("pytest") is not None
    if has_pytest:
        import pytest
    sys.path[:0] = [path for path in (root, os.path.join(root, "src"), os.path.join(root, "lib")) if os.path.isdir(path)]
    setattr(builtins, task["name"], peer.held)
    os.chdir(root)
    try:
        (with_pytest if has_pytest else with_unittest)(peer, root, task["paths"], ids)
    finally:
        peer.send({"over": "pytest" if has_pytest else "unittest"})
        os._exit(0)


main()
`;
