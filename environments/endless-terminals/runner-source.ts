/**
 * The Python program that runs a task's `test_final_state.py` after the rollout. It reads one line of JSON,
 * `{ source, nonce, workspace }`, and prints the nonce and the result as its last line.
 *
 * The tests never lie on the sandbox's disk, and nothing that the model left is imported: `-I -S` keeps away
 * sitecustomize, conftest.py, PYTHONPATH and the working directory, and what tests use of pytest is here (plain and
 * parametrized functions and classes, fixtures, raises, approx, skip, fail). Libraries of the image come last on the
 * path. The process is not dumpable, so that programs which the tests start can neither read it nor its descriptors.
 */
export const runnerSource = String.raw`
import contextlib, ctypes, inspect, json, math, os, re, sys, sysconfig, tempfile, types, pathlib

request = json.loads(sys.stdin.readline())
try:
    ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)
except (OSError, AttributeError):
    pass
answer = os.dup(1)
os.set_inheritable(answer, False)
nothing = os.open(os.devnull, os.O_RDWR)
for descriptor in (0, 1, 2):
    os.dup2(nothing, descriptor)
for version in ("/usr/lib/python3/dist-packages", sysconfig.get_path("purelib"), sysconfig.get_path("platlib")):
    if version and version not in sys.path:
        sys.path.append(version)


class Skipped(BaseException):
    pass


class Failed(AssertionError):
    pass


class Approx:
    def __init__(self, value, rel=1e-6, abs=1e-12):
        self.value, self.rel, self.abs = value, rel, abs

    def __eq__(self, other):
        if isinstance(self.value, (list, tuple)):
            return len(other) == len(self.value) and all(Approx(a, self.rel, self.abs) == b for a, b in zip(self.value, other))
        return math.isclose(self.value, other, rel_tol=self.rel or 1e-6, abs_tol=self.abs or 1e-12)


@contextlib.contextmanager
def raises(expected, match=None):
    found = types.SimpleNamespace(value=None, type=None)
    try:
        yield found
    except expected as error:
        found.value, found.type = error, type(error)
        if match is not None and not re.search(match, str(error)):
            raise Failed("the message doesn't match " + match)
    else:
        raise Failed("nothing was raised")


def fail(reason="", pytrace=True, **_):
    raise Failed(reason)


def skip(reason="", **_):
    raise Skipped(reason)


def importorskip(name, **_):
    try:
        return __import__(name, fromlist=["*"])
    except ImportError:
        raise Skipped(name)


def fixture(function=None, **options):
    def mark(inner):
        inner.is_fixture = True
        inner.autouse = options.get("autouse", False)
        inner.fixture_name = options.get("name") or inner.__name__
        return inner
    return mark(function) if function else mark


class Marks:
    def __getattr__(self, name):
        def decorate(*arguments, **options):
            if name == "parametrize":
                def mark(inner):
                    inner.parameters = [arguments[:2]] + getattr(inner, "parameters", [])
                    return inner
                return mark
            if len(arguments) == 1 and callable(arguments[0]) and not options:
                return arguments[0]
            return lambda inner: inner
        return decorate


pytest = types.ModuleType("pytest")
pytest.__dict__.update(raises=raises, fail=fail, skip=skip, importorskip=importorskip, fixture=fixture, approx=Approx, mark=Marks(),
                       param=lambda *values, **_: values if len(values) != 1 else values[0])
sys.modules["pytest"] = pytest


def cases(function):
    settings = [{}]
    for names, rows in getattr(function, "parameters", []):
        names = [name.strip() for name in names.split(",")] if isinstance(names, str) else list(names)
        settings = [dict(setting, **dict(zip(names, row if len(names) > 1 else [row]))) for setting in settings for row in rows]
    return settings


def run(function, given, fixtures, instance=None):
    made, opened = dict(given), []

    def value_of(name):
        if name in made:
            return made[name]
        if name == "tmp_path":
            made[name] = pathlib.Path(tempfile.mkdtemp())
        elif name == "request":
            made[name] = types.SimpleNamespace(param=None)
        else:
            maker = fixtures[name]
            result = maker(**{inner: value_of(inner) for inner in inspect.signature(maker).parameters if inner != "self"})
            if inspect.isgenerator(result):
                opened.append(result)
                result = next(result)
            made[name] = result
        return made[name]

    try:
        for name, maker in fixtures.items():
            if maker.autouse:
                value_of(name)
        arguments = {name: value_of(name) for name in inspect.signature(function).parameters}
        function(**arguments)
    finally:
        for generator in reversed(opened):
            next(generator, None)


def main():
    module = types.ModuleType("test_final_state")
    module.__file__ = "/test_final_state.py"
    sys.modules["test_final_state"] = module
    sys.argv = ["test_final_state.py"]
    os.chdir(request["workspace"])
    program = compile(request["source"], "test_final_state.py", "exec")
    try:
        exec(program, module.__dict__)
    except (AssertionError, OSError) as error:
        # A module that looks for the result at once.
        return {"passed": 0, "failed": ["(module): " + type(error).__name__ + ": " + str(error)[:300]]}
    fixtures = {value.fixture_name: value for value in vars(module).values() if getattr(value, "is_fixture", False)}
    found = [(name, value) for name, value in vars(module).items() if name.startswith("test") and inspect.isfunction(value)]
    for name, value in list(vars(module).items()):
        if name.startswith("Test") and inspect.isclass(value):
            found += [(name + "." + method, (value, method)) for method in vars(value) if method.startswith("test")]
    passed, failed = 0, []
    for name, target in found:
        for given in cases(getattr(*target) if isinstance(target, tuple) else target):
            try:
                if isinstance(target, tuple):
                    instance = target[0]()
                    if hasattr(instance, "setup_method"):
                        instance.setup_method()
                    run(getattr(instance, target[1]), given, fixtures)
                else:
                    run(target, given, fixtures)
                passed += 1
            except Skipped:
                pass
            except BaseException as error:
                failed.append(name + ": " + type(error).__name__ + ": " + str(error)[:300])
    return {"passed": passed, "failed": failed[:20]}


try:
    result = main()
except BaseException as error:
    result = {"broken": type(error).__name__ + ": " + str(error)[:500]}
os.write(answer, ("\n" + request["nonce"] + json.dumps(result) + "\n").encode())
os._exit(0)
`;
