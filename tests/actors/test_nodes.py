"""actors.nodes: what each built-in kind does, seen from its context."""

import time
from collections.abc import Mapping
from itertools import pairwise
from random import Random

import attrs
import pytest
import trio

from actors.artifacts import open_artifacts
from actors.context import Fired
from actors.errors import NodeError
from actors.registry import Registry
from actors.simulated import SimulatedDriver
from protocol.graph import Node, NodeSettings

KINDS = Registry.builtin().kinds


@attrs.define(eq=False)
class Context:
    """A node's context reduced to what the built-in kinds use; keeps what it was told."""

    config: object
    inputs: Mapping = attrs.field(factory=dict)
    driver: object = attrs.field(factory=SimulatedDriver)
    artifacts: object = None
    iteration: tuple = ()
    random: Random = attrs.field(factory=lambda: Random(1))
    variables: dict = attrs.field(factory=dict)
    lines: list = attrs.field(factory=list)
    steps: list = attrs.field(factory=list)
    slept: dict = attrs.field(factory=dict)
    effects: dict = attrs.field(factory=dict)
    _sleeps: int = 0

    def set_var(self, name, value):
        self.variables[name] = value

    def log(self, level, message, /, **context):
        self.lines.append((level, message))

    def progress(self, percent, message=""):
        self.steps.append((trio.current_time(), percent))

    async def sleep(self, seconds, name=None):
        self._sleeps += 1
        began = trio.current_time()
        left = self.slept.get(self._sleeps, seconds)
        try:
            await trio.sleep(left)
        finally:
            self.slept[self._sleeps] = left - (trio.current_time() - began)

    async def sleep_until(self, when):
        await trio.sleep(max(0, when - time.time()))

    def act(self, name):
        return name

    def done(self, name):
        return name in self.effects

    async def once(self, name, fn):
        if name not in self.effects:
            self.effects[name] = await fn()
        return self.effects[name]

    def again(self):
        """The context of the next attempt: what was kept is kept."""
        return attrs.evolve(self, sleeps=0)


def resolved(kind, config, scope=None):
    """A config as the kind gets it."""
    node = Node(id="n", index=0, kind=kind, label="", config=config, settings=NodeSettings(), path="")
    assert KINDS[kind].check(config, "simulated") == []
    return KINDS[kind].prepare(node).resolve(scope or {})


def context(kind, config, *, scope=None, **more):
    """A context with the config as the kind gets it."""
    return Context(resolved(kind, config, scope), **more)


async def run(kind, config, **more):
    """Run a kind once; returns its result and its context."""
    ctx = context(kind, config, **more)
    return await KINDS[kind](ctx), ctx


async def test_wait_waits_and_passes_its_input_on(autojump_clock):
    """The duration is in milliseconds; the input is the result."""
    began = trio.current_time()
    result, ctx = await run("wait", {"duration": 1500}, inputs={"in": "x"})
    assert result == "x"
    assert trio.current_time() - began == pytest.approx(1.5)
    assert not ctx.steps


async def test_a_wait_of_a_second_is_the_default(autojump_clock):
    """Without a duration a wait takes one second."""
    began = trio.current_time()
    await run("wait", {})
    assert trio.current_time() - began == pytest.approx(1.0)


@pytest.mark.parametrize("seconds", [2, 7, 60, 3600])
async def test_a_long_wait_says_how_far_it_is(autojump_clock, seconds):
    """From two seconds on there is progress: rising, at most twice a second and a hundred times in all."""
    began = trio.current_time()
    _, ctx = await run("wait", {"duration": seconds * 1000})
    assert trio.current_time() - began == pytest.approx(seconds)
    assert 3 <= len(ctx.steps) < 100
    times, percents = zip(*ctx.steps, strict=True)
    assert all(later - earlier >= 0.49 for earlier, later in pairwise(times))
    assert sorted(set(percents)) == list(percents)
    assert all(percent == pytest.approx(100 * (when - began) / seconds) for when, percent in ctx.steps)


async def test_a_wait_that_was_cut_goes_on_with_what_remained(autojump_clock):
    """Cut at 0.7 s of 2 s and run again, a wait takes 1.3 s more, and its progress does not fall."""
    ctx = context("wait", {"duration": 2000})
    with trio.move_on_after(0.7):
        await KINDS["wait"](ctx)
    began = trio.current_time()
    await KINDS["wait"](ctx.again())
    assert trio.current_time() - began == pytest.approx(1.3)


async def test_wait_until_a_time(autojump_clock):
    """A time in the past is no wait; times are ISO 8601 with a zone, or milliseconds since the epoch."""
    for until in ("2020-01-01T00:00:00Z", "2020-01-01T00:00:00+02:00", 0, 1_500_000_000_000):
        began = trio.current_time()
        await run("wait", {"until": until})
        assert trio.current_time() == pytest.approx(began)
    began = trio.current_time()
    await run("wait", {"until": (time.time() + 5) * 1000})
    assert trio.current_time() - began == pytest.approx(5, abs=0.5)


@pytest.mark.parametrize("until", ["tomorrow", "2020-01-01T00:00:00", [], True])
def test_wait_until_rubbish(until):
    """A time that cannot be read, or whose zone is unknown, is told at submit; one from an expression fails its node."""
    (problem,) = KINDS["wait"].check({"until": until}, "simulated")
    assert (problem[:2], problem[3]) == (("bad_config", "until"), "error")
    with pytest.raises(NodeError, match="until") as caught:
        resolved("wait", {"until": "{{ vars.when }}"}, {"vars": {"when": until}})
    assert caught.value.code == "bad_config"


@pytest.mark.parametrize("state", ["attached", "visible", "hidden", "detached"])
async def test_wait_for_an_element(state, autojump_clock):
    """It is the driver that waits; the simulated one finds the element as wanted, and says so."""
    began = trio.current_time()
    result, ctx = await run("wait", {"selector": "#a", "state": state, "nth": 2}, inputs={"in": "x"})
    assert (result, trio.current_time()) == ("x", began)
    assert [line for _, line in ctx.lines] == [f"Simulated: '#a' (number 2) is {state}"]


@pytest.mark.parametrize(
    ("config", "holds"),
    [
        ({"expression": "vars.n > 2"}, True),
        ({"expression": "{{ vars.n > 3 }}"}, False),
        ({"left": "{{ vars.n }}", "operator": "equals", "right": 3}, True),
        ({"left": "{{ vars.n }}", "operator": "equals", "right": "3"}, True),
        ({"left": "3.0", "operator": "equals", "right": 3}, True),
        ({"left": "3.0", "operator": "equals", "right": "3"}, False),
        ({"left": True, "operator": "equals", "right": 1}, False),
        ({"left": True, "operator": "equals", "right": "true"}, True),
        ({"left": None, "operator": "equals", "right": None}, True),
        ({"left": None, "operator": "exists"}, False),
        ({"left": 0, "operator": "exists"}, True),
        ({"left": None, "operator": "not_exists"}, True),
        ({"left": "abc", "operator": "not_equals", "right": "abd"}, True),
        ({"left": "abc", "operator": "contains", "right": "bc"}, True),
        ({"left": "a1c", "operator": "contains", "right": 1}, True),
        ({"left": [1, 2], "operator": "contains", "right": 2}, True),
        ({"left": {"k": 1}, "operator": "contains", "right": "k"}, True),
        ({"left": 5, "operator": "contains", "right": 5}, False),
        ({"left": "abc", "operator": "not_contains", "right": "x"}, True),
        ({"left": "abc", "operator": "matches", "right": "^a.c$"}, True),
        ({"left": "10", "operator": "gt", "right": 9}, True),
        ({"left": "b", "operator": "lt", "right": "c"}, True),
        ({"left": 1, "operator": "le", "right": 1}, True),
        ({"left": 1, "operator": "ge", "right": 2}, False),
    ],
)
async def test_a_condition_on_data(config, holds):
    """An expression or two values decide, without a driver; the input goes on at the port."""
    fired, ctx = await run("condition", config, scope={"vars": {"n": 3}}, inputs={"in": "x"}, driver=None)
    assert isinstance(fired, Fired)
    assert fired.ports == {"true" if holds else "false": "x"}
    assert fired.result is holds
    assert not ctx.lines


@pytest.mark.parametrize(
    "config",
    [
        {"left": 1, "operator": "visible"},
        {"left": 1, "operator": "lt", "right": "many"},
        {"left": "a", "operator": "matches", "right": "("},
        {"left": None, "operator": "gt", "right": 1},
    ],
)
async def test_a_condition_that_can_not_be_decided(config):
    """Values that do not go together fail the node, and nothing is fired."""
    with pytest.raises(NodeError) as caught:
        await run("condition", config)
    assert caught.value.code == "bad_config"


async def test_an_expression_that_gives_no_boolean_fails():
    """A condition is true or false; a number is neither."""
    with pytest.raises(NodeError, match="expression: expected true or false"):
        await run("condition", {"expression": "vars.n"}, scope={"vars": {"n": 3}})


async def test_a_condition_on_the_page_asks_the_driver():
    """Without data the run's driver is asked."""
    fired, ctx = await run("condition", {"selector": "#a", "simulate": False}, inputs={"in": 1})
    assert fired.ports == {"false": 1}
    assert len(ctx.lines) == 1


@pytest.mark.parametrize(("n", "port"), [(1, "small"), (7, "big"), (5, "default")])
async def test_switch_takes_the_first_true_case(n, port):
    """One port is fired, with the input; if no case is true, the default."""
    cases = [{"port": "small", "expression": "vars.n < 3"}, {"port": "big", "expression": "{{ vars.n > 6 }}"}]
    fired, _ = await run(
        "switch", {"cases": [*cases, {**cases[1], "port": "late"}]}, scope={"vars": {"n": n}}, inputs={"in": "x"}
    )
    assert fired.ports == {port: "x"}
    assert fired.result == port


@pytest.mark.parametrize(
    ("config", "ports"),
    [
        ({}, ("default",)),
        ({"cases": [{"port": "a"}, {"port": "b"}, {"port": "a"}], "default": "c"}, ("a", "b", "c")),
        ({"cases": [{"port": "{{ vars.p }}"}]}, None),
        ({"cases": "{{ vars.cases }}"}, None),
        ({"cases": [1]}, None),
        ({"default": 1}, None),
    ],
)
def test_ports_of_a_switch(config, ports):
    """A switch has the ports of its cases and its default; where they are not known yet, it may have any."""
    assert KINDS["switch"].ports_of(config) == ports


async def test_set_sets_each_key():
    """Each key is a variable with its value as it is; the settings that every kind has are none."""
    config = {"a": "plain", "b": "{{ vars.n + 1 }}", "nested": {"x": [1]}, "timeout": 5}
    result, ctx = await run("set", config, scope={"vars": {"n": 1}})
    assert result == ctx.variables == {"a": "plain", "b": 2, "nested": {"x": [1]}}


async def test_log_says_it_and_passes_on():
    """Text is said as it is, anything else as JSON; the input goes on."""
    result, ctx = await run(
        "log", {"message": "n={{ vars.n }}", "level": "warn"}, scope={"vars": {"n": 1}}, inputs={"in": 5}
    )
    assert result == 5
    assert ctx.lines == [("warn", "n=1")]
    _, ctx = await run("log", {"message": "{{ vars }}"}, scope={"vars": {"n": 1}})
    assert ctx.lines == [("info", '{"n":1}')]


async def test_end_fires_nothing():
    """A branch ends here, with its input as the result."""
    fired, _ = await run("end", {}, inputs={"in": "x"})
    assert fired.ports == {}
    assert fired.result == "x"
    assert KINDS["end"].ports_of({}) == ()


async def test_fail_fails():
    """The message is the user's own."""
    with pytest.raises(NodeError, match="no stock: 3") as caught:
        await run("fail", {"message": "no stock: {{ vars.n }}"}, scope={"vars": {"n": 3}})
    assert caught.value.code == "failed_by_node"


async def test_break_and_continue_leave_the_turn_to_the_run():
    """A turn that breaks gives no value; one that continues gives its input."""
    assert (await run("break", {}, inputs={"in": 1}))[0] is None
    assert (await run("continue", {}, inputs={"in": 1}))[0] == 1


@pytest.mark.parametrize(
    ("config", "path"),
    [
        ({"type": "foreach"}, "type"),
        ({"count": -1}, "count"),
        ({"count": "many"}, "count"),
        ({"type": "forEach", "items": "a, b"}, "items"),
        ({"type": "while", "condition": "vars.n <"}, "condition"),
        ({"maxIterations": 0}, "maxIterations"),
    ],
)
def test_a_bad_loop_is_found_at_submit(config, path):
    """What a loop could not turn with is an error with its path."""
    ((_, where, _, severity),) = KINDS["loop"].check(config, "simulated")
    assert (where, severity) == (path, "error")


def test_the_config_of_a_loop():
    """Its defaults, and an expression without braces as the condition."""
    config = context("loop", {}).config
    assert (config.type, config.count, config.items, config.condition, config.max_iterations) == (
        "count",
        1,
        (),
        None,
        10_000,
    )
    assert (
        context("loop", {"type": "while", "condition": "vars.n < 3"}, scope={"vars": {"n": 2}}).config.condition is True
    )
    assert context(
        "loop", {"type": "forEach", "items": "{{ vars.l }}"}, scope={"vars": {"l": [1, 2]}}
    ).config.items == (1, 2)


async def test_a_screenshot_is_saved_once(tmp_path):
    """The result says where the PNG is; a node that runs again after a pause takes no second one."""
    async with open_artifacts(str(tmp_path)) as store:
        ctx = context("screenshot", {"filename": "orders.png"}, artifacts=store.of("r1"))
        result = await KINDS["screenshot"](ctx)
        png = store.find("r1", "orders.png").read_bytes()
        assert result == {
            "filename": "orders.png",
            "url": "/api/runs/r1/artifacts/orders.png",
            "width": 320,
            "height": 180,
            "bytes": len(png),
        }
        assert png.startswith(b"\x89PNG\r\n\x1a\n")
        assert await KINDS["screenshot"](ctx.again()) == result
        assert len(ctx.lines) == 1
        assert [path.name for path in ctx.artifacts.folder.iterdir()] == ["orders.png"]


async def test_a_screenshot_without_a_name_is_called_after_its_time(tmp_path):
    """The default is screenshot_<unix time>.png."""
    before = int(time.time())
    async with open_artifacts(str(tmp_path)) as store:
        result, _ = await run("screenshot", {}, artifacts=store.of("r1"))
    name, number, end = result["filename"].replace("screenshot_", " ").replace(".", " ").rpartition(" ")
    assert (end, number) == ("png", " ")
    assert before <= int(name) <= time.time() + 1


async def test_a_screenshot_stays_in_its_folder(tmp_path):
    """A name that leads elsewhere fails the node."""
    async with open_artifacts(str(tmp_path)) as store:
        with pytest.raises(NodeError) as caught:
            await run("screenshot", {"filename": "../x.png"}, artifacts=store.of("r1"))
    assert caught.value.code == "bad_name"


async def test_what_acts_on_the_page_acts_once():
    """start, click and input act through `once`: a second attempt finds it done."""
    for kind in ("start", "click", "input"):
        result, ctx = await run(kind, {})
        assert len(ctx.lines) == 1
        assert await KINDS[kind](ctx.again()) == result
        assert len(ctx.lines) == 1


async def test_a_typed_text_is_in_no_event():
    """What is typed may be a password: neither the result nor the log has it."""
    result, ctx = await run("input", {"selector": "#p", "text": "hunter2", "clearFirst": True})
    assert "hunter2" not in f"{result}{ctx.lines}"


@pytest.mark.parametrize(
    ("click_type", "button", "count"),
    [("left", "left", 1), ("right", "right", 1), ("double", "left", 2), ("middle", "middle", 1)],
)
async def test_click_types(click_type, button, count):
    """Each click type is a button and a number of clicks."""
    told = []

    class Recorder:
        name = "recorder"

        async def click(self, ctx, selector, **how):
            told.append((selector, how))

    await run("click", {"selector": "#a", "clickType": click_type, "nth": 2}, driver=Recorder())
    assert told == [("#a", {"button": button, "count": count, "nth": 2})]
