/**
 * The Python program that knows what a repository's hidden tests expect. Such tests must run in the interpreter of the
 * code that they test, where that code may do as it likes; so what runs there is a rewritten copy that doesn't know when
 * it is right. This program rewrites, keeps what it took out, and judges what is reported. It runs where no code of the
 * model ever did.
 *
 * In test functions, each assertion becomes a report of what was found:
 * - `assert E == literal`, `assertEqual(E, literal)`: the value of E, as plain data. The literal stays here. A value that
 *   is no plain data is compared there with the literal among decoys, and must equal the one and none of the others.
 * - other assertions: whether they hold, or, at random, whether they don't.
 * - the end of a test, and every `return`: a random token.
 * A test passed if it was reported as passed, all reports of it are right, and none that must come is missing.
 *
 * What must raise is followed by a report that is always wrong. Left as they are: assertions that may fail and be caught
 * (in `try`, `with raises`), and those of helpers.
 */
import { peerSource } from "./peer-source.ts";

export const repoJudgeSource = `${peerSource}
import ast, random, re, secrets

chance = random.SystemRandom()
EQUAL = ("assertEqual", "assertEquals", "assertListEqual", "assertDictEqual", "assertTupleEqual", "assertSetEqual", "assertSequenceEqual", "assertMultiLineEqual")
HOLDS = {"assertTrue": "{0}", "assertFalse": "not {0}", "assertIn": "{0} in {1}", "assertNotIn": "{0} not in {1}",
    "assertIs": "{0} is {1}", "assertIsNot": "{0} is not {1}", "assertIsNone": "{0} is None", "assertIsNotNone": "{0} is not None",
    "assertIsInstance": "isinstance({0}, {1})", "assertNotIsInstance": "not isinstance({0}, {1})", "assertNotEqual": "{0} != {1}",
    "assertAlmostEqual": "round(abs({0} - {1}), 7) == 0", "assertCountEqual": "sorted({0}, key=repr) == sorted({1}, key=repr)",
    "assertGreater": "{0} > {1}", "assertGreaterEqual": "{0} >= {1}", "assertLess": "{0} < {1}", "assertLessEqual": "{0} <= {1}"}


def literal(node):
    """Whether the node says its value by itself, and a value that is worth keeping secret."""
    try:
        value = ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None
    return None if value is None or value is True or value is False or value is ... else [value]


class Rewriter:
    def __init__(self, name, secrets_kept):
        self.name, self.kept = name, secrets_kept
        self.functions = {}

    def module(self, tree):
        for node in tree.body:
            if isinstance(node, ast.ClassDef):
                self.class_body(node, node.name)
            else:
                self.function(node, "")
        return ast.unparse(ast.fix_missing_locations(tree))

    def class_body(self, node, prefix):
        for child in node.body:
            if isinstance(child, ast.ClassDef):
                self.class_body(child, prefix + "::" + child.name)
            else:
                self.function(child, prefix)

    def function(self, node, prefix):
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) or not node.name.startswith("test"):
            return
        if any("fail" in ast.unparse(decorator) for decorator in node.decorator_list):
            return
        if any(isinstance(inner, (ast.Yield, ast.YieldFrom)) for inner in ast.walk(node)):
            return
        key = (prefix + "::" if prefix else "") + node.name
        self.key, self.required = key, set()
        node.body = self.block(node.body, True)
        node.body.append(self.token())
        self.functions[key] = self.required

    def keep(self, kind, value, required):
        number = len(self.kept)
        self.kept.append((self.key, kind, value))
        if required:
            self.required.add(number)
        return number

    def report(self, number, value):
        call = ast.Call(ast.Name(self.name, ast.Load()), [ast.Constant(number), value], [])
        return ast.Expr(call)

    def token(self):
        word = secrets.token_hex(8)
        return self.report(self.keep("end", word, False), ast.Constant(word))

    def value(self, expression, expected, always):
        return self.report(self.keep("value", expected, always), expression)

    def holds(self, expression, always):
        turned = chance.random() < 0.5
        truth = ast.Call(ast.Name("bool", ast.Load()), [expression], [])
        if turned:
            truth = ast.UnaryOp(ast.Not(), expression)
        return self.report(self.keep("value", not turned, always), truth)

    def block(self, statements, always):
        rewritten = []
        for statement in statements:
            rewritten.extend(self.statement(statement, always))
            # What follows a way out need not be reached.
            always = always and not any(isinstance(inner, ast.Return) for inner in ast.walk(statement))
        return rewritten

    def statement(self, node, always):
        if isinstance(node, ast.Assert):
            return [self.assertion(node.test, always)]
        if isinstance(node, ast.Return):
            return [self.token(), node]
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            found = self.method(node.value, always)
            return [node if found is None else found]
        if isinstance(node, (ast.If, ast.For, ast.AsyncFor, ast.While)):
            node.body = self.block(node.body, False)
            node.orelse = self.block(node.orelse, False) if node.orelse else []
        elif isinstance(node, (ast.With, ast.AsyncWith)):
            contexts = " ".join(ast.unparse(item.context_expr).lower() for item in node.items)
            if re.search("(self.assert|pytest.)raises(regex)?[(]", contexts):
                node.body.append(self.never())
            elif not re.search("raises|warn|suppress|logs|subtest", contexts):
                node.body = self.block(node.body, False)
        return [node]

    def never(self):
        """For what follows something that must raise: to get there is wrong."""
        return self.report(self.keep("value", secrets.token_hex(8), False), ast.Constant(0))

    def assertion(self, test, always):
        if isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.ops[0], ast.Eq):
            sides = test.left, test.comparators[0]
            for found, expected in (sides, sides[::-1]):
                kept = literal(expected)
                if kept is not None and literal(found) is None:
                    return self.value(found, kept[0], always)
        return self.holds(test, always)

    def method(self, call, always):
        function = call.func
        if not (isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name) and function.value.id == "self"):
            return None
        if any(isinstance(argument, ast.Starred) for argument in call.args):
            return None
        if function.attr != "assertRaises" and any(word.arg != "msg" for word in call.keywords):
            return None
        if function.attr in EQUAL and len(call.args) in (2, 3):
            return self.assertion(ast.Compare(call.args[0], [ast.Eq()], [call.args[1]]), always)
        if function.attr == "assertRaises" and len(call.args) >= 2:
            tried = ast.Expr(ast.Call(call.args[1], call.args[2:], call.keywords))
            return ast.With([ast.withitem(ast.Call(function, call.args[:1], []))], [tried, self.never()])
        pattern = HOLDS.get(function.attr)
        if pattern is None or len(call.args) not in ((2, 3) if "{1}" in pattern else (1, 2)):
            return None
        written = pattern.format(*("(" + ast.unparse(argument) + ")" for argument in call.args[:2]))
        return self.holds(ast.parse(written, mode="eval").body, always)


def decoys(value):
    """Others of its kind, and one that is far from it."""
    if isinstance(value, (int, float, complex)):
        return [value + 1, value * 2 + 3, -value - 7]
    if isinstance(value, (str, bytes)):
        extra = "x" if isinstance(value, str) else b"x"
        return [value + extra, extra + value, value[:-1] + extra + extra]
    if isinstance(value, (list, tuple)):
        return [value + type(value)([None]), type(value)(["x"]) + value, value[:-1] + type(value)([object.__name__, 4])]
    if isinstance(value, (set, frozenset)):
        return [value | {"x"}, value | {-12345}, value | {None}]
    return [dict(value, x=1), dict(value, y=None), {**value, -12345: 0}]


class RepoJudge(Peer):
    def begin(self, files):
        self.name = "_" + secrets.token_hex(8)
        self.kept, self.functions, sources = [], {}, {}
        for path, source in files.items():
            rewriter = Rewriter(self.name, self.kept)
            try:
                sources[path] = rewriter.module(ast.parse(source))
                for key, required in rewriter.functions.items():
                    self.functions[path + "::" + key] = required
            except (SyntaxError, ValueError, RecursionError):
                sources[path] = source
        self.current, self.verdicts, self.choices = None, {}, {}
        return {"sources": sources, "name": self.name}

    def find(self, test):
        """The rewritten function behind a node id, inherited ones by their bare name."""
        plain = test.split("[")[0]
        if plain in self.functions:
            return plain
        path, _, rest = plain.partition("::")
        name = rest.split("::")[-1]
        return next((key for key in self.functions if key.startswith(path + "::") and key.split("::")[-1] == name), None)

    def hear(self, message):
        if "start" in message:
            self.current, self.right, self.heard, self.ended = str(message["start"]), True, set(), False
        elif "held" in message:
            number, given = message["held"]
            _, kind, expected = self.kept[number]
            value = self.decode(given)
            self.heard.add(number)
            if kind == "end":
                self.ended = self.ended or value == expected
            self.right = self.right and bool(value == expected)
        elif "choose" in message:
            number = message["choose"]
            _, _, expected = self.kept[number]
            offered = [expected, *decoys(expected)]
            chance.shuffle(offered)
            self.choices[number] = [offer is expected for offer in offered]
            return {"offers": [self.encode(offer) for offer in offered]}
        elif "chosen" in message:
            number, answers = message["chosen"]
            self.heard.add(number)
            self.right = self.right and self.choices.pop(number, None) == answers
        elif "end" in message:
            test, outcome = message["end"]
            key = self.find(str(test))
            proven = key is not None
            passed = outcome == "passed" and test == self.current and self.right
            if proven:
                passed = passed and self.ended and self.functions[key] <= self.heard
            self.current = None
            # Who passes once and fails once has failed.
            earlier = self.verdicts.get(test, {"passed": True})
            self.verdicts[test] = {"passed": passed and earlier["passed"], "proven": proven}
        return {}


def main():
    try:
        import ctypes

        ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)
    except Exception:
        pass
    peer = RepoJudge(*open_channel())
    peer.send(peer.begin(peer.receive()["files"]))
    while True:
        try:
            message = peer.receive()
            if "verdicts" in message:
                peer.send({"verdicts": peer.verdicts})
                os._exit(0)
            answer = peer.hear(message)
        except (Exception, Nonsense):
            peer.right, answer = False, {}
        except Gone:
            os._exit(1)
        peer.send(answer)


main()
`;
