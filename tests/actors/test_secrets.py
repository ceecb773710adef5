"""Secrets: found in whatever form they are said, and left alone where they are not."""

import base64
import html
import json
import logging
import time
import urllib.parse
from random import Random
from typing import Any

import orjson
import pytest
import trio

from actors import Fired, NodeContext, Registry, open_runtime
from actors.artifacts import check_name
from actors.errors import NodeError, SettingsError, UnknownSecret
from actors.journals import MemoryJournal
from actors.registry import node
from actors.secrets import MARK, NO_SECRETS, PREFIX, BlottingFormatter, Secrets, quoted
from actors.testing.flows import flow
from protocol.messages import Logged, NodeChanged

VALUE = "p\"ä\\s$w0rd/+&'1"
SECRETS = Secrets({"KEY": VALUE, "LONG": f"{VALUE} and more", "PIN": "1234567890"})


@pytest.mark.parametrize(
    "said",
    [
        VALUE,
        f"a{VALUE}b",
        repr(VALUE),
        repr([VALUE]),
        repr(VALUE.encode()),
        json.dumps(VALUE),
        json.dumps(json.dumps({"a": VALUE})),
        orjson.dumps({"a": VALUE}).decode(),
        html.escape(VALUE),
        urllib.parse.quote(VALUE),
        urllib.parse.quote_plus(VALUE),
        urllib.parse.urlencode({"q": VALUE}).lower(),
        VALUE.encode().hex(),
        *(base64.b64encode(f"{'user'[:n]}:{VALUE}".encode()).decode() for n in range(4)),
        base64.urlsafe_b64encode(f"{VALUE}:x".encode()).decode(),
        f"it is {VALUE[:-3]}…, and",
        f"it is {VALUE[:8]}",
    ],
)
def test_it_is_blotted_out_however_it_is_spelled(said):
    """Of a text for people nothing is left from which eight characters of it could be read."""
    blotted = SECRETS.blot(said)
    assert MARK in blotted
    for begin in range(len(VALUE) - 8):
        assert VALUE[begin : begin + 8] not in blotted
    assert len(blotted) < len(said)


def test_json_is_blotted_in_texts_keys_and_numbers():
    """It stays JSON, what holds no secret stays what it was, and the value given is not changed."""
    value = {
        "a": [VALUE, {VALUE: 1}],
        "n": 1234567890,
        "f": 12345678905.5,
        "t": True,
        "x": None,
        "y": "plain",
        "i": 123,
    }
    assert SECRETS.blot_json(value) == {
        "a": [MARK, {MARK: 1}], "n": MARK, "f": MARK, "t": True, "x": None, "y": "plain", "i": 123,
    }  # fmt: skip
    assert value["a"][0] == VALUE  # type: ignore[index]
    plain = {"a": ["b"]}
    assert SECRETS.blot_json(plain) is plain


def test_the_longer_of_two_goes_as_a_whole():
    """Nothing of it is left behind the shorter one that it begins with."""
    assert SECRETS.blot(f"<{VALUE} and more>") == f"<{MARK}>"


def test_without_any_nothing_is_touched():
    """No secrets are falsy, and blot nothing."""
    assert not NO_SECRETS
    assert NO_SECRETS.blot(VALUE) == VALUE
    assert NO_SECRETS.blot_json([VALUE]) == [VALUE]


def test_a_short_one_is_refused_and_an_empty_one_is_not_set():
    """All that are too short are named at once, without their values."""
    environ = {f"{PREFIX}A": "short", f"{PREFIX}B": "1234567", f"{PREFIX}C": "", f"{PREFIX}D": "12345678", "E": "x"}
    with pytest.raises(SettingsError) as refused:
        Secrets.from_environment(environ)
    lines = str(refused.value).splitlines()
    assert [line.partition(":")[0] for line in lines] == [f"{PREFIX}A", f"{PREFIX}B"]
    assert "short" not in lines[0].replace("shorter", "")
    assert list(Secrets.from_environment({f"{PREFIX}D": "12345678", f"{PREFIX}C": ""})) == ["D"]


def test_one_that_is_not_there_names_its_variable():
    """A mapping like any other, whose error is for the user; its repr has no values."""
    with pytest.raises(UnknownSecret, match=f"set {PREFIX}NONE in the environment") as missing:
        SECRETS["NONE"]
    assert (missing.value.code, SECRETS.get("NONE"), "NONE" in SECRETS) == ("unknown_secret", None, False)
    assert repr(SECRETS) == "Secrets(KEY, LONG, PIN)"


def test_each_line_of_a_long_one_counts():
    """A key in PEM is printed line by line."""
    pem = "-----BEGIN KEY-----\nMIIabcdefghij\nklmnopqrstuv\n-----END KEY-----\n"
    secrets = Secrets({"PEM": pem})
    assert secrets.blot(pem) == MARK
    assert secrets.blot("line 2: klmnopqrstuv; -----END KEY-----") == f"line 2: {MARK}; -----END KEY-----"


def test_the_log_of_the_program_has_none():
    """Neither in the message nor in the traceback."""
    try:
        raise ValueError(VALUE)
    except ValueError as error:
        record = logging.LogRecord("x", 40, "f", 1, "it is %s", (VALUE,), (ValueError, error, error.__traceback__))
    text = BlottingFormatter(SECRETS, "%(message)s").format(record)
    assert text.startswith(f"it is {MARK}\nTraceback")
    assert VALUE not in text


@pytest.mark.parametrize("limit", range(1, 60))
def test_a_limit_lets_none_through(limit):
    """What is left is what the whole text would have had up to there, wherever the limit falls."""
    text = f"äöü {VALUE} and more, {VALUE}, {VALUE[:9]}… {VALUE} and more"
    left = SECRETS.blot(text, limit)
    if not VALUE.startswith(left.rpartition(" ")[2] or "-"):  # Up to seven characters of one that was cut may stay.
        assert left.rstrip("*") in SECRETS.blot(text)
    assert len(left) < limit + len(MARK)
    assert VALUE[:8] not in left
    assert " and more" not in left
    assert SECRETS.blot(text, len(text)) == SECRETS.blot(text)


def test_a_limit_is_one_of_the_text_as_it_was_said():
    """Marks are shorter than secrets: what stood behind the limit does not move before it."""
    assert SECRETS.blot(f"{VALUE}|abcdef", len(VALUE) + 3) == f"{MARK}|ab"
    assert SECRETS.blot("plain and long", 5) == "plain"
    assert SECRETS.blot("plain", 3) == "pla"


def test_at_each_of_many_cuts_the_longest_beginning_goes():
    """Also of one that holds a cut itself, and where a character is half a pair."""
    secrets = Secrets({"A": "abcdefgh…ijklmnop", "B": "x" * 9 + "yz12345"})
    assert secrets.blot("a abcdefgh…ijkl… b xxxxxxxxxxxxyz… c") == f"a {MARK}… b xxx{MARK}… c"
    assert secrets.blot(f"\udcff {'xxxxxxxxxyz…' * 3}") == f"\udcff {f'{MARK}…' * 3}"


RANDOM = Random(1)
PEM = "\n".join(
    ["-----BEGIN KEY-----", *(base64.b64encode(RANDOM.randbytes(48)).decode() for _ in range(50)), "-----END KEY-----"]
)
LINE = "2026-01-01 12:00:00 INFO worker: took the thing of somebody from the shelf and put it back again, 17 ms, ok"
ROWS: list[Any] = [
    {"id": n, "name": "a thing of some name", "data": base64.b64encode(RANDOM.randbytes(200)).decode()}
    for n in range(25_000)
]


@pytest.mark.parametrize(
    ("bound", "times", "road"),
    [
        pytest.param(0.5, 1, lambda secrets: secrets.blot_json(ROWS), id="8 MB of JSON"),
        pytest.param(1.0, 1, lambda secrets: secrets.blot_json([*ROWS, PEM]), id="8 MB of JSON with one"),
        pytest.param(0.1, 1, lambda secrets: secrets.blot(f"{LINE}… " * 600), id="a line of 64k with many cuts"),
        pytest.param(0.1, 1000, lambda secrets: secrets.blot(LINE), id="1,000 short lines"),
        pytest.param(0.5, 1000, lambda secrets: secrets.blot(f"{LINE[:12]}…" * 8), id="1,000 short lines with 8 cuts"),
        pytest.param(0.1, 1, lambda secrets: secrets.blot(LINE * 100_000, 2**16), id="10 MB of which 64k are kept"),
    ],
)
def test_a_key_of_many_lines_does_not_hold_up_the_others(bound, times, road):
    """Some 450 forms; the bounds, in seconds of the processor, are five times and more what a slow machine needs."""
    secrets = Secrets({"PEM": PEM})
    spent = []
    for _ in range(3):
        began = time.process_time()
        for _ in range(times):
            road(secrets)
        spent.append(time.process_time() - began)
    assert min(spent) < bound


# In runs


@pytest.fixture
def environment(monkeypatch):
    """The environment has two secrets."""
    monkeypatch.setenv(f"{PREFIX}KEY", VALUE)
    monkeypatch.setenv(f"{PREFIX}PIN", "1234567890")


async def play(graph: Any, registry: Registry | None = None, **config: Any) -> list[Any]:
    """The events of a run."""
    async with open_runtime(registry=registry) as runtime:
        run = await runtime.start(graph, config={"seed": 1, **config})
        await run.wait()
        return [event async for event in run.events()]


async def test_an_expression_gets_it_and_what_becomes_of_it_is_blotted(autojump_clock, environment):
    """The node is given the value – it can compare it –, variables and results have the mark, also in later nodes."""
    graph = flow(
        "s >> a >> b; b:true >> c",
        a=("set", {"key": "{{ secrets.KEY }}", "both": "<{{ secrets.KEY }}|{{ secrets.PIN }}>", "n": "{{ int(secrets.PIN) }}"}),
        b=("condition", {"expression": "secrets.PIN == '1234567890' && vars.key == '***'"}),
        c=("set", {"again": "{{ nodes.a.result.both }}"}),
    )  # fmt: skip
    events = await play(graph)
    results = {event.node_id: event.result for event in events if isinstance(event, NodeChanged) and event.result}
    assert results["a"] == {"key": MARK, "both": f"<{MARK}|{MARK}>", "n": MARK}
    assert results["b"] is True
    assert results["c"] == {"again": f"<{MARK}|{MARK}>"}


async def test_one_that_is_missing_is_a_warning_first_and_then_an_error(autojump_clock, environment):
    """Each names the field and the variable to set; a node that is not reached does no harm."""
    graph = flow(
        "s >> a >> z",
        a=("log", {"message": "hi {{ secrets.NONE }}"}),
        z=("log", {"message": "{{ secrets.NONE }}"}),
    )
    async with open_runtime() as runtime:
        found = await runtime.validate(graph)
        assert [(warning.code, warning.path) for warning in found.warnings if warning.code == "unknown_secret"] == [
            ("unknown_secret", "nodes[1].data.config.message"),
            ("unknown_secret", "nodes[2].data.config.message"),
        ]
        run = await runtime.start(graph)
        summary = await run.wait()
    assert summary.code == "expression_failed"
    assert summary.error == (
        f"node a: message: {{{{ secrets.NONE }}}}: there is no secret 'NONE': set {PREFIX}NONE in the environment of the "
        "server, and start it again"
    )


def leaky(name: str, deed: Any, **traits: Any) -> Registry:
    """A registry with a kind that does it."""
    registry = Registry.builtin()

    @registry.register
    @node(name, config=dict, **traits)
    async def leak(ctx: NodeContext[Any]) -> object:
        """Do it."""
        return await deed(ctx)

    return registry


@pytest.mark.parametrize("road", ["once", "sleep", "variable", "artifact"])
async def test_a_name_that_is_kept_may_hold_none(autojump_clock, environment, road):
    """Blotted out, two names could become one; so it is refused, and the error does not repeat it."""

    async def act() -> int:
        raise AssertionError("it is refused before it acts")

    async def deed(ctx):
        name = f"a{ctx.secrets['KEY']}"
        match road:
            case "once":
                await ctx.once(name, act)
            case "sleep":
                await ctx.sleep(1, name)
            case "variable":
                ctx.set_var(name, 1)
            case "artifact":
                await ctx.artifacts.save("a1234567890.png", b"")

    events = await play(flow("s >> a", a="leak"), leaky("leak", deed))
    assert events[-1].code == "bad_name"
    assert VALUE not in repr(events)


async def test_a_run_that_goes_on_sees_what_it_saw(autojump_clock, environment):
    """What `once` gave and what a person answered is the same before and after a pause: without the secret."""
    seen: list[Any] = []

    async def login() -> str:
        return f"token of {VALUE}"

    async def deed(ctx):
        seen.append((await ctx.once("login", login), await ctx.ask("well?"), ctx.secrets["KEY"] == VALUE))
        await ctx.sleep(5)
        return Fired({VALUE: 1}, result=ctx.vars)

    async with open_runtime(registry=leaky("leak", deed, interruptible=True)) as runtime:
        run = await runtime.start(flow("s >> a", a="leak"))
        await run.send_input("a", f"my {VALUE}")
        await trio.sleep(1)
        await run.pause()
        await trio.sleep(1)
        await run.resume()
        await run.wait()
        assert run.view.nodes["a"].fired == (MARK,)
    assert seen == [(f"token of {MARK}", f"my {MARK}", True)] * 2


async def test_what_a_turn_is_about_holds_none(autojump_clock, environment):
    """The item of a forEach is noted; the nodes of the body see the note."""
    graph = flow(
        "s >> l; l:body >> a",
        l=("loop", {"type": "forEach", "items": "{{ [secrets.KEY, 'plain'] }}"}), a=("log", {"message": "{{ item }} {{ index }}"}),
    )  # fmt: skip
    events = await play(graph)
    assert [event.message for event in events if isinstance(event, Logged) and event.node_id == "a"] == [
        f"{MARK} 0",
        "plain 1",
    ]


async def test_the_journal_never_gets_one(autojump_clock, environment):
    """Not even for a moment: each batch of events and notes is looked at as it is handed over."""

    class Looking(MemoryJournal):
        def append_nowait(self, claim, events, notes=(), **said):
            assert VALUE not in repr((events, notes))
            assert repr(VALUE)[1:-1] not in repr((events, notes))
            return super().append_nowait(claim, events, notes, **said)

    async def deed(ctx):
        key = ctx.secrets["KEY"]
        ctx.log("info", key, key=key)
        ctx.set_var("x", {key: key})
        ctx.progress(50, key)
        if ctx.attempt == 2:
            raise NodeError(f"no {key}", code=key)
        raise ValueError(key)

    graph = flow(
        "s >> a; a:error >> b", a=("leak", {"retry": {"maxAttempts": 2}}), b=("log", {"message": "{{ inputs }}"})
    )
    async with open_runtime(registry=leaky("leak", deed), journal=Looking()) as runtime:
        run = await runtime.start(graph, config={"variables": {"v": VALUE}})
        assert (await run.wait()).status == "completed"
        assert VALUE not in repr(run.view.snapshot())


def test_a_quotation_that_was_cut_shows_no_beginning():
    """The mark of the cut is right behind what was kept, and what was not cut has none."""
    secrets = Secrets({"A": "correct horse's battery"})
    assert quoted("abc", 3) == "'abc'"
    assert quoted("abcd", 3) == "'abc…'"
    for length in range(10, 25):
        shown = secrets.blot(quoted("> correct horse's battery!", length))
        assert shown.strip("'\"") == "> ***…", length
    with pytest.raises(NodeError) as caught:
        check_name("x" * 180 + "/" + "correct horse's battery")
    assert "correct" not in secrets.blot(str(caught.value))


def test_bytes_that_are_no_text_are_refused():
    """The variable is named: nothing that a node says could be looked through for them."""
    with pytest.raises(SettingsError, match=r"CALLBOARD_SECRET_RAW: a secret is text in UTF-8"):
        Secrets.from_environment({"CALLBOARD_SECRET_RAW": b"\xff\xfe12345678".decode(errors="surrogateescape")})
