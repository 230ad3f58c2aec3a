/**
 * The Python that the judge and the candidate's process share: calls between two interpreters that trust each other
 * with nothing but plain data. A line of JSON is a request or its answer; values travel as tagged JSON and arrive as
 * exact built-in types, so that an object that equals everything, or a pickled surprise, never arrives at all.
 *
 * Invariants:
 * - Both sides take turns: whoever sent a request serves the other's requests until its answer comes.
 * - What is no plain data stays where it is; the other side gets a proxy for it, which equals only itself.
 * - Arguments that a call changed (lists, dicts, sets) are changed at the caller's, too.
 * - The program's own input and output are /dev/null: what is printed is not a message.
 */
export const peerSource = String.raw`
import sys, os, json, collections, decimal, fractions, builtins, sysconfig

MESSAGE_BYTES = 8 << 20


class Remote(Exception):
    """What the other side raised, where it is none of the built-in exceptions."""


class Gone(BaseException):
    """The other side has left."""


class Nonsense(Gone):
    """What it says is no message."""


def open_channel():
    incoming, outgoing = os.fdopen(os.dup(0), "rb"), os.dup(1)
    null = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    return incoming, outgoing


def add_site_directories(workspace):
    """Packages of the image, without what site.py would run; never what the model could write."""
    paths = [sysconfig.get_path("purelib"), sysconfig.get_path("platlib"), "/usr/lib/python3/dist-packages"]
    for path in paths:
        inside = path and (os.path.realpath(path) + "/").startswith(os.path.realpath(workspace) + "/")
        if path and not inside and os.path.isdir(path) and path not in sys.path:
            sys.path.append(path)


class Peer:
    def __init__(self, incoming, outgoing):
        self.incoming, self.outgoing = incoming, outgoing
        self.objects = {}

    def send(self, message):
        data = json.dumps(message).encode() + b"\n"
        if len(data) > MESSAGE_BYTES:
            raise ValueError("a value of more than 8 MiB")
        view = memoryview(data)
        while view:
            view = view[os.write(self.outgoing, view):]

    def receive(self):
        line = self.incoming.readline()
        if not line:
            raise Gone()
        try:
            message = json.loads(line)
        except (ValueError, RecursionError):
            raise Nonsense() from None
        if type(message) is not dict:
            raise Nonsense()
        return message

    def ask(self, request):
        self.send(request)
        while True:
            message = self.receive()
            if "ret" in message:
                return message
            if "raise" in message:
                raise self.exception(message["raise"])
            self.serve(message)

    def exception(self, given):
        name, text = (str(part) for part in given[:2]) if type(given) is list and len(given) >= 2 else ("", "")
        kind = getattr(builtins, name, None)
        if isinstance(kind, type) and issubclass(kind, Exception):
            try:
                return kind(text)
            except Exception:
                pass
        return Remote(name + ": " + text)

    def serve(self, request):
        try:
            answer = self.perform(request)
            data = json.dumps(answer)
            if len(data) >= MESSAGE_BYTES:
                raise ValueError("a value of more than 8 MiB")
        except Gone:
            raise
        except BaseException as error:
            try:
                answer = {"raise": [type(error).__name__, str(error)[:2000]]}
            except BaseException:
                answer = {"raise": ["Exception", ""]}
        self.send(answer)

    def perform(self, request):
        if "call" in request:
            target, args, kwargs = request["call"]
            function = self.decode(target)
            args = [self.decode(value) for value in args]
            before = [self.changeable(value) for value in args]
            value = function(*args, **{name: self.decode(value) for name, value in kwargs})
            answer = {"ret": self.encode(value)}
            after = [self.changeable(value) for value in args]
            if after != before:
                answer["args"] = after
            return answer
        if "get" in request:
            target, name = request["get"]
            return {"ret": self.encode(getattr(self.decode(target), name))}
        if "global" in request:
            return {"ret": self.encode(self.find_global(request["global"]))}
        raise ValueError("an unknown request")

    def changeable(self, value):
        return self.encode(value) if type(value) in (list, dict, set) else None

    def call(self, target, args, kwargs):
        request = [target, [self.encode(value) for value in args], [[name, self.encode(value)] for name, value in kwargs.items()]]
        answer = self.ask({"call": request})
        changed = answer.get("args")
        if type(changed) is list:
            for value, after in zip(args, changed):
                if after is not None:
                    self.change(value, self.decode(after))
        return self.decode(answer["ret"])

    @staticmethod
    def change(value, after):
        if type(value) is not type(after):
            return
        if type(value) is list:
            value[:] = after
        elif type(value) in (dict, set):
            value.clear()
            value.update(after)

    def encode(self, value, depth=0):
        if depth > 200:
            raise ValueError("a value nested deeper than 200")
        kind = type(value)
        inner = lambda values: [self.encode(item, depth + 1) for item in values]
        if value is None or value is True or value is False:
            return value
        if issubclass(kind, Proxy):
            return ["p", value._lachesis_number]
        if issubclass(kind, str):
            return str.__str__(value) if kind is str else "".join(str.__iter__(value))
        if issubclass(kind, int):
            number = int.__add__(value, 0)
            return number if -(2**53) < number < 2**53 else ["i", hex(number)]
        if issubclass(kind, float):
            return ["f", float.__repr__(value)]
        if issubclass(kind, complex):
            return ["c", float.__repr__(value.real), float.__repr__(value.imag)]
        if issubclass(kind, (bytes, bytearray)):
            return ["b" if issubclass(kind, bytes) else "B", bytes(value).hex()]
        for tag, base in (("l", list), ("t", tuple), ("s", set), ("z", frozenset), ("q", collections.deque)):
            if issubclass(kind, base):
                return [tag, *inner(base.__iter__(value))]
        if issubclass(kind, dict):
            return ["d", *([self.encode(key, depth + 1), self.encode(item, depth + 1)] for key, item in dict.items(value))]
        if kind is range:
            return ["r", value.start, value.stop, value.step]
        if kind is decimal.Decimal:
            return ["D", str(value)]
        if kind is fractions.Fraction:
            return ["F", hex(value.numerator), hex(value.denominator)]
        if kind.__module__ == "numpy" and hasattr(value, "tolist"):
            return self.encode(value.tolist(), depth + 1)
        if kind in (type({}.keys()), type({}.values()), type({}.items())):
            return ["l", *inner(value)]
        if hasattr(kind, "__next__"):
            items = []
            for item in value:
                items.append(self.encode(item, depth + 1))
                if len(items) > 1_000_000:
                    raise ValueError("an endless iterator")
            return ["g", *items]
        number = id(value)
        self.objects[number] = value
        return ["o", number, bool(callable(value))]

    def decode(self, given):
        if given is None or type(given) in (bool, int, str):
            return given
        if type(given) is not list or not given:
            raise Nonsense()
        tag, *rest = given
        inner = lambda: (self.decode(item) for item in rest)
        if tag == "i":
            return int(rest[0], 16)
        if tag == "f":
            return float(rest[0])
        if tag == "c":
            return complex(float(rest[0]), float(rest[1]))
        if tag in ("b", "B"):
            return (bytes if tag == "b" else bytearray).fromhex(rest[0])
        if tag in ("l", "t", "s", "z", "q"):
            return {"l": list, "t": tuple, "s": set, "z": frozenset, "q": collections.deque}[tag](inner())
        if tag == "d":
            return {self.decode(key): self.decode(item) for key, item in rest}
        if tag == "r":
            return range(*rest)
        if tag == "D":
            return decimal.Decimal(rest[0])
        if tag == "F":
            return fractions.Fraction(int(rest[0], 16), int(rest[1], 16))
        if tag == "g":
            return iter([self.decode(item) for item in rest])
        if tag == "o":
            return (CallableProxy if rest[1] else Proxy)(self, int(rest[0]))
        if tag == "p":
            return self.objects[rest[0]]
        raise Nonsense()


class Proxy:
    """Something of the other side that is no plain data."""

    __slots__ = ("_lachesis_peer", "_lachesis_number")

    def __init__(self, peer, number):
        self._lachesis_peer, self._lachesis_number = peer, number

    def __getattr__(self, name):
        peer = object.__getattribute__(self, "_lachesis_peer")
        return peer.decode(peer.ask({"get": [["p", self._lachesis_number], name]})["ret"])

    def __eq__(self, other):
        return isinstance(other, Proxy) and other._lachesis_number == self._lachesis_number

    def __hash__(self):
        return hash(self._lachesis_number)

    def __repr__(self):
        return str(self.__getattr__("__repr__")())

    def __str__(self):
        return str(self.__getattr__("__str__")())

    def __len__(self):
        return self.__getattr__("__len__")()

    def __bool__(self):
        return True

    def __iter__(self):
        return self.__getattr__("__iter__")()

    def __getitem__(self, key):
        return self.__getattr__("__getitem__")(key)

    def __setitem__(self, key, value):
        self.__getattr__("__setitem__")(key, value)

    def __contains__(self, item):
        return self.__getattr__("__contains__")(item) is True


class CallableProxy(Proxy):
    __slots__ = ()

    def __call__(self, *args, **kwargs):
        return self._lachesis_peer.call(["p", self._lachesis_number], args, kwargs)
`;
