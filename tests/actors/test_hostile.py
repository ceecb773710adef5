"""Hostile expressions and configs, hundreds of them, through the real runtime: nothing escapes, nothing holds the loop.

A watcher in the event loop measures each step of each task by the processor's time, so that a busy machine does not
count. What is refused is refused with a code; what runs ends; and no file is made but in the folder of its run.
"""

import gc
import itertools
import os
import re
import sys
import time

import pytest
import trio

from actors.errors import ActorsError
from actors.registry import Registry
from actors.runtime import open_runtime
from actors.settings import Settings
from actors.testing.flows import flow
from protocol.errors import InvalidWorkflow, ProtocolError

LIMIT_S = 0.1 if sys.gettrace() is None else 0.4
"""For which nothing may hold the loop. What measures coverage makes our own code some times as slow."""

SECRET = "hunter2-5d41402a"

DATA = {
    "text": "ab" * 50_000,
    "list": list(range(2_000)),
    "rows": [{"id": number, "name": f"n{number}"} for number in range(500)],
    "deep": {"a": {"b": {"c": [1, 2, 3]}}},
    "n": 3,
}


class Watcher(trio.abc.Instrument):
    """The longest step so far, by the time that the thread has worked."""

    def __init__(self):
        self.longest = 0.0
        self.began = 0.0
        self.who = ""
        """Whose step that was."""

    def before_task_step(self, task):
        self.began = time.thread_time()

    def after_task_step(self, task):
        took = time.thread_time() - self.began
        if took > self.longest:
            self.longest, self.who = took, task.name


def doubled(times):
    """So many macros in a row, each of which doubles what it is given."""
    return ".map(a, a + a)" * times


PATTERNS = [
    "(a{1000}){1000}",
    "((a{0,100}){0,100}){0,100}",
    r"\\w{1000}",
    r"(\\pL{50}){50}",
    r"(?i)[\\pL\\pN\\pS]{500}",
    r"(?x) \\w { 1000 }",
    "a?" * 3000,
    "(a+)+$",
    "(x+x+)+y",
    "(a|b|ab)*c",
    "[ab]*a[ab]{100}c",
    "(.*)*" * 50,
    "(" * 3000,
    "[" * 3000,
    "(?P<a>",
    r"\\",
    "{99999999999}",
    "a{99999999999}",
    r"[^\\d]{3000}",
    r"(?u:\\w){200}",
    "a**********",
    "(?=a)b",
]

EXPRESSIONS = [
    # Attributes and names of Python, of other template languages, of the runtime.
    *(
        f"vars.n.{name}"
        for name in ("__class__", "__init__", "__globals__", "__dict__", "__reduce__", "mro", "_secret")
    ),
    *(
        f"vars['{name}']"
        for name in ("__class__", "__builtins__", "../../x", "\\x00", "\\u0000", "constructor", "__proto__")
    ),
    *(
        f"{name}"
        for name in ("self", "__import__", "globals()", "ctx", "os", "env", "this", "config", "request", "builtins")
    ),
    "''.__class__.__mro__[1].__subclasses__()",
    "().__class__",
    "open('/etc/passwd')",
    "__import__('os').system('id')",
    "eval('1')",
    "exec('import os')",
    "lambda: 1",
    "[x for x in vars]",
    "getattr(vars, 'a')",
    "run.__class__",
    "nodes.__class__.result",
    "nodes['__init__']",
    "inputs['constructor']['constructor']('return process')()",
    "type(vars)",
    "dyn(vars)",
    "google.protobuf.Any{}",
    "'{0.__class__}'.format(vars)",
    "'%s' % vars",
    "vars.text.substring(-1, 99999999)",
    # Numbers.
    *("9" * digits for digits in (18, 19, 20, 400, 9_000)),
    *(f"-{'9' * digits}" for digits in (19, 400)),
    "9223372036854775807 + 1",
    "9223372036854775807 * 9223372036854775807",
    "-9223372036854775808 / -1",
    "-9223372036854775808 % -1",
    "1 / 0",
    "1 % 0",
    "1.0 / 0.0",
    "0.0 / 0.0",
    "1e999",
    "double('nan')",
    "int(1e300)",
    "uint(-1)",
    "0xffffffffffffffffffff",
    "double('" + "9" * 5_000 + "')",
    "int('" + "9" * 5_000 + "')",
    "duration('" + "9" * 5_000 + "h')",
    "timestamp('" + "9" * 5_000 + "')",
    "timestamp('99999-01-01T00:00:00Z')",
    "duration('-1ns') + duration('9999999999s')",
    # Nesting and length.
    *("(" * depth + "1" + ")" * depth for depth in (50, 95, 200, 4_000)),
    *("[" * depth + "]" * depth for depth in (50, 90, 95, 200, 4_000)),
    *("{'a':" * depth + "1" + "}" * depth for depth in (50, 95, 1_000)),
    *("-" * depth + "1" for depth in (100, 9_000)),
    *("!" * depth + "true" for depth in (100, 9_000)),
    "true ? " * 90 + "1" + " : 1" * 90,
    "true ? " * 1_000 + "1" + " : 1" * 1_000,
    "&&".join(["true"] * 1_500),
    "||".join(["false"] * 1_500),
    "1" + " == 1" * 1_500,
    "+".join(["1"] * 2_500),
    "'" + "a" * 9_000 + "'",
    "[" + "1," * 2_500 + "1]",
    "vars" + ".deep" * 1_500,
    "vars" + "['deep']" * 1_000,
    "size(" * 90 + "vars" + ")" * 90,
    # Work.
    *("[[1, 2]]" + doubled(times) for times in (5, 10, 20, 40, 600)),
    *("['ab']" + doubled(times) for times in (5, 20, 40, 600)),
    *("[vars.list]" + doubled(times) for times in (1, 5, 20)),
    *("[vars.text]" + doubled(times) for times in (1, 5, 20)),
    *("+".join(["vars.text"] * count) for count in (3, 50, 900)),
    *("+".join(["vars.list"] * count) for count in (3, 50)),
    "vars.list.map(a, vars.list.map(b, a))",
    "vars.list.map(a, vars.list.map(b, vars.list.map(c, a)))",
    "vars.list.all(a, vars.list.exists(b, a == b))",
    "vars.list.filter(a, a in vars.list)",
    "vars.list.filter(a, vars.list.exists(b, b in vars.list))",
    "vars.list.map(a, vars.text)",
    "vars.list.map(a, vars.text + vars.text)",
    "vars.rows.map(r, vars.rows.map(q, r.name + q.name))",
    "vars.rows.filter(r, r.name.matches('^n[0-9]+$'))",
    r"vars.rows.filter(r, r.name.matches('^\\w+$'))",
    r"vars.list.all(a, string(a).matches('\\w{50}'))",
    "vars.text == vars.text",
    "vars.text.contains(vars.text)",
    "vars.list == vars.list",
    "string(vars.list)",
    # Patterns.
    *(f"vars.text.matches('{pattern}')" for pattern in PATTERNS),
    *(f"matches('aaaa', '{pattern}')" for pattern in PATTERNS),
    "vars.text.matches(vars.text)",
    "vars.text.matches('a' + 'b')",
    "matches(vars.text, string(vars.n))",
    # Marks.
    "",
    " ",
    "}",
    "{",
    "'",
    '"',
    "'''",
    "\\",
    "\0",
    "// nothing",
    "/* nothing */",
    "a\nb",
    "1;2",
    "vars.n = 4",
    "vars.n := 4",
    "`id`",
    "$(id)",
    "{{ vars.n }}",
    "{% for x in y %}{% endfor %}",
    "#{7*7}",
    "${7*7}",
    "<%= 7*7 %>",
    "\ud800",
    "ﬀ",
    "\U0001d42f\U0001d41a\U0001d42b\U0001d42c.n",
    "vars\u200b.n",
]

NAMES = [
    *("../" * depth + name for depth in (1, 2, 9) for name in ("x", "etc/passwd", "x.png")),
    *("..\\" * depth + "x.png" for depth in (1, 9)),
    *(
        f"{root}x.png"
        for root in ("/", "//", "/tmp/", "~/", "C:\\", "c:", "\\\\host\\share\\", "file:///", "\\\\?\\C:\\")
    ),
    *(
        f"{device}{end}"
        for device in ("CON", "nul", "Aux", "PRN", "COM1", "lpt9", "COM¹", "CONIN$")
        for end in ("", ".png", " .png")
    ),
    *(f"a{char}b.png" for char in '\0\n\r\t\x1b\x7f<>:"|?*/\\'),
    ".",
    "..",
    "...",
    "x/../../y.png",
    "./x.png",
    "x/",
    ".hidden",
    ".part-x",
    "x.png.",
    "x.png ",
    " x.png",
    "x" * 5_000,
    "é" * 300,
    "\ud800.png",
    "..%2f..%2fx",
    "%2e%2e/x",
    "\uff0e\uff0e/x",
    "x\u202egnp.exe",
    "-rf",
    "$(id).png",
    "`id`.png",
    "{{ '../' + 'x' }}",
    "{{ '/etc/passwd' }}",
]

VALUES = [
    10**400,
    -(10**30),
    2**63,
    1e308,
    -1,
    True,
    [],
    {},
    [[[[]]]],
    "",
    "\0",
    "x" * 100_000,
    "9" * 5_000,
    {"__class__": {"__init__": 1}},
    ["{{ vars.text }}"] * 20,
    "{{ vars.list }}",
    "{{",
    {"$ref": "#"},
]


def configs():
    """(kind, config) for every field of every kind with every value; `set` gets them as its variables."""
    for name, spec in Registry.builtin().kinds.items():
        if spec.config is dict:
            fields = ["x"]
        else:
            fields = [
                re.sub("_(.)", lambda found: found[1].upper(), field.name)
                for field in getattr(spec.config, "__attrs_attrs__", ())
            ]
        for field, value in itertools.product(fields, VALUES):
            yield name, {field: value}


async def outcome(runtime, graph):
    """How a graph ends: refused, or the code of its node, or its status."""
    try:
        run = await runtime.start(graph, config={"defaultWaitTime": 0, "variables": DATA, "timeout": 3_000, "seed": 1})
    except InvalidWorkflow as refused:
        return refused.problems[0].code, str(refused)
    except (ActorsError, ProtocolError) as refused:
        return refused.code, str(refused)
    summary = await run.wait()
    node = run.view.nodes.get("x")
    return (node.code if node is not None and node.code else summary.status), f"{node and node.result} {summary.error}"


@pytest.fixture
def watcher():
    """Not yet at work."""
    return Watcher()


@pytest.fixture
async def runtime(watcher, tmp_path, monkeypatch):
    """A runtime that is watched, where a program is allowed and a secret is in the environment."""
    monkeypatch.setenv("CALLBOARD_SECRET_X", SECRET)
    settings = Settings(artifacts=str(tmp_path / "root" / "artifacts"), commands_allow=("pwd",))
    async with open_runtime(settings=settings) as runtime:
        await outcome(runtime, flow("s >> x", x=("set", {"a": "{{ 1 }}"})))
        # A pass over all that pytest has in memory is not the runtime's doing.
        gc.collect()
        gc.freeze()
        trio.lowlevel.add_instrument(watcher)
        yield runtime
        trio.lowlevel.remove_instrument(watcher)
        gc.unfreeze()


async def test_expressions(runtime, watcher):
    """Each is refused, fails its node, or gives a value that holds nothing of the program's; none takes long."""
    slow = {}
    for source in EXPRESSIONS:
        watcher.longest = 0.0
        code, text = await outcome(runtime, flow("s >> x", x=("set", {"a": f"{{{{ {source} }}}}"})))
        assert code in (
            "completed",
            "bad_expression",
            "expression_failed",
            "bad_result",
            "result_too_large",
            "not_text",
            "bad_config",
            "failed",
        ), (source[:80], code, text[:200])
        assert "root:" not in text
        assert SECRET not in text
        assert "<class" not in text
        if watcher.longest > LIMIT_S:
            slow[source[:80]] = watcher.longest
    assert slow == {}


async def test_names(runtime, watcher, tmp_path):
    """As a file of a screenshot and as the folder of a command: no name leads anywhere else."""
    watcher.longest = 0.0
    for name in NAMES:
        for graph in (
            flow("s >> x", x=("screenshot", {"filename": name})),
            flow("s >> x", x=("command", {"argv": ["pwd"], "cwd": name})),
        ):
            code, text = await outcome(runtime, graph)
            assert code in ("bad_name", "bad_config", "completed", "bad_text"), (name, code, text)
    root = tmp_path / "root"
    assert watcher.longest < LIMIT_S, watcher.who
    assert {path.name for path in tmp_path.iterdir()} == {"root"}
    assert {path.name for path in root.iterdir()} <= {"artifacts"}
    for path in root.rglob("*"):
        assert path.resolve() == path
        assert len(path.relative_to(root / "artifacts").parts) <= 2 or path == root / "artifacts"


async def test_configs(runtime, watcher):
    """Every field of every kind with values that it was not made for."""
    slow = {}
    for kind, config in configs():
        watcher.longest = 0.0
        await outcome(
            runtime, flow("s >> x", x=(kind, {**config, "timeout": 50} if "timeout" not in config else config))
        )
        if watcher.longest > LIMIT_S:
            slow[kind, str(config)[:60]] = watcher.longest
    assert not slow


async def test_a_loop_around_nothing(runtime, watcher):
    """A billion turns hold nobody: it is paused, resumed and stopped like any other."""
    watcher.longest = 0.0
    graph = flow("s >> x", x=("loop", {"count": 10**9, "maxIterations": 10**9}))
    with trio.fail_after(20):
        run = await runtime.start(graph, config={"defaultWaitTime": 0})
        await trio.sleep(0.05)
        for command, status in ((run.pause, "paused"), (run.resume, "running"), (run.stop, "stopped")):
            await command()
            while run.status != status:  # noqa: ASYNC110  its events are not what is looked at
                await trio.sleep(0.001)
    assert watcher.longest < LIMIT_S, watcher.who


def test_they_are_five_hundred():
    """As many as were promised, each counted once."""
    assert len(set(EXPRESSIONS)) + 2 * len(set(NAMES)) + len(list(configs())) >= 500
    assert os.environ.get("CALLBOARD_SECRET_X") is None
