"""Each built-in kind, struck at every point it has: cancelled, and its run paused; it ends as if nothing had been.

Those with a real process or thread are struck in real time; see `tests.chaos.live`.
"""

import contextlib
from pathlib import Path

import pytest
import trio

from actors.nodes.web import load_fetching
from actors.registry import Registry
from actors.settings import Settings
from actors.testing import chaos
from protocol.messages import Logged, NodeChanged
from protocol.states import NodeStatus
from tests.chaos.live import Strike, strikes
from tests.site import open_site, page

pytestmark = pytest.mark.no_cover

flow = chaos.flow

ONE_STEP = chaos.every_checkpoint(faults=[chaos.Call("pause", targets=("run:*",))])
"""A kind that awaits nothing has no point in its middle; its run is paused before, behind and around it."""

COVERED: dict[str, str] = {}
"""Kind → a test of this file that strikes it."""


def covers(*kinds):
    """Say which kinds a test strikes."""

    def note(test):
        COVERED.update(dict.fromkeys(kinds, test.__name__))
        return test

    return note


def results(world, run, **expected):
    """All went well, and these nodes have these results."""
    world.expect(run.status == "completed", f"{run.status}: {run.summary}")
    for node_id, result in expected.items():
        world.expect(run.results.get(node_id) == result, f"{node_id}: {run.results.get(node_id)} instead of {result}")


def ran(run, node_id):
    """How often a node succeeded."""
    return sum(
        isinstance(event, NodeChanged) and event.node_id == node_id and event.status is NodeStatus.SUCCESS
        for event in run.events
    )


def said(run, text):
    """How often a log line has a text."""
    return sum(isinstance(event, Logged) and text in event.message for event in run.events)


@covers("start")
@chaos.every_checkpoint(targets="node:s")
async def test_start(world):
    """What is opened is opened once."""
    run = await world.run(
        {"nodes": [{"id": "s", "type": "start", "data": {"config": {"url": "https://e"}}}], "edges": []}
    )
    results(world, run, s={"appName": None, "url": "https://e"})
    world.expect(said(run, "would open https://e") == 1, "opened once")


@covers("click")
@chaos.every_checkpoint(targets="node:c")
async def test_click(world):
    """One click, however often the node is cut."""
    run = await world.run(flow("s >> c", c=("click", {"selector": "#a", "waitTime": 500})))
    results(world, run, c={"selector": "#a", "clickType": "left"})
    world.expect(said(run, "would click '#a'") == 1, "clicked once")


@covers("input")
@chaos.every_checkpoint(targets="node:i")
async def test_input(world):
    """The text is typed once."""
    run = await world.run(flow("s >> i", i=("input", {"selector": "#a", "text": "abc"})))
    results(world, run, i={"selector": "#a", "length": 3})
    world.expect(said(run, "would type 3 characters") == 1, "typed once")


@covers("wait")
@chaos.every_checkpoint(targets="node:w")
async def test_wait(world):
    """What was waited is not waited again."""
    began = world.runtime.wall()
    run = await world.run(flow("s >> w", w=("wait", {"duration": 3000})), inputs={"in": 1})
    results(world, run, w={"appName": None, "url": None})
    if not world.trial.injection.aim.subject.endswith("/pause"):
        world.expect(abs(world.runtime.wall() - began - 3) < 0.1, f"{world.runtime.wall() - began} s instead of 3")


@covers("wait")
@chaos.every_checkpoint(targets="node:w")
async def test_wait_until(world):
    """A pause does not move the time, and one that has passed meanwhile is no wait."""
    until = world.runtime.wall() + 10
    run = await world.run(flow("s >> w", w=("wait", {"until": until * 1000})))
    results(world, run)
    world.expect(world.runtime.wall() >= until - 0.01, "it went on before the time")


@covers("wait")
@ONE_STEP
async def test_wait_for_an_element(world):
    """The driver waits."""
    run = await world.run(flow("s >> w", w=("wait", {"selector": "#a", "state": "hidden"})))
    results(world, run, w={"appName": None, "url": None})


@covers("condition")
@ONE_STEP
async def test_condition(world):
    """Whether it looks at a page or at values, one branch is taken, and the same one again."""
    run = await world.run(
        flow(
            "s >> c1; c1:true >> yes; c1:false >> no; s >> c2; c2:true >> never; c2:false >> other",
            c1=("condition", {"selector": "#a", "simulate": True}),
            c2=("condition", {"left": 2, "operator": "lt", "right": 1}),
            yes="log",
            no="log",
            never="log",
            other="log",
        )
    )
    results(world, run, c1=True, c2=False)
    world.expect([ran(run, name) for name in ("yes", "no", "never", "other")] == [1, 0, 0, 1], "one branch each")


@covers("switch")
@ONE_STEP
async def test_switch(world):
    """One case."""
    cases = [{"port": "a", "expression": "false"}, {"port": "b", "expression": "true"}]
    run = await world.run(flow("s >> w; w:a >> x; w:b >> y", w=("switch", {"cases": cases}), x="log", y="log"))
    results(world, run, w="b")
    world.expect((ran(run, "x"), ran(run, "y")) == (0, 1), "one case")


@covers("set", "log")
@ONE_STEP
async def test_set_and_log(world):
    """The variables are there for the node behind."""
    run = await world.run(flow("s >> v >> l", v=("set", {"a": 1}), l=("log", {"message": "a is {{ vars.a }}"})))
    results(world, run, v={"a": 1}, l={"a": 1})
    world.expect(said(run, "a is 1") >= 1, "logged")


@covers("loop", "break", "continue")
@pytest.mark.parametrize(
    ("config", "turns"),
    [
        ({"type": "count", "count": 3}, [0, 1, 2]),
        ({"type": "forEach", "items": ["a", "b", "stop", "c"]}, ["a", "b"]),
    ],
    ids=["count", "forEach"],
)
@ONE_STEP
async def test_loop(world, config, turns):
    """Each turn once, in order; a break and a continue do what they do wherever a turn is cut."""
    run = await world.run(
        flow(
            "s >> o; o:body >> c; c:true >> b; c:false >> n; o:done >> l",
            o=("loop", config),
            c=("condition", {"expression": "string(inputs['in']) == 'stop'"}),
            b="break",
            n="continue",
            l="log",
        )
    )
    results(world, run, o=[{"n": turn} for turn in turns], l=[{"n": turn} for turn in turns])


@covers("loop")
@ONE_STEP
async def test_loop_while(world):
    """Its condition is asked before each turn, and sees what the turns before have done."""
    run = await world.run(
        flow(
            "s >> o; o:body >> v >> w; w >> o",
            o=("loop", {"type": "while", "condition": "vars.n < 3"}),
            v=("set", {"n": "{{ vars.n + 1 }}"}),
            w=("wait", {"duration": 100}),
        ),
        config={"variables": {"n": 0}},
    )
    results(world, run, o=[{"n": 1}, {"n": 2}, {"n": 3}])


@covers("end", "fail")
@ONE_STEP
async def test_end_and_fail(world):
    """A branch that ends, and one that fails on purpose, which an edge handles."""
    run = await world.run(flow("s >> e; s >> f; f:error >> l", e="end", f=("fail", {"message": "oh"}), l="log"))
    results(world, run, e={"appName": None, "url": None})
    world.expect(run.results.get("l", {}).get("message") == "oh", f"{run.results}")


@covers("input_request")
@chaos.every_checkpoint(targets="node:a", faults=[chaos.Cancel("node:a"), chaos.Call("pause", targets=("node:a",))])
async def test_input_request(world):
    """The answer is taken once, whether its question is there, cut or not yet asked; one that does not fit is not."""
    run = await world.start(flow("s >> a", a=("input_request", {"schema": {"type": "integer"}, "timeout": 1e6})))
    while not (reply := await run.send_input("a", 7)).ok:
        world.expect(reply.code == "busy", f"{reply}")
    ended = await world.end(run)
    results(world, ended, a=7)


@covers("input_request")
@chaos.every_checkpoint(targets="node:a")
async def test_input_request_without_an_answer(world):
    """It ends by its own clock, at the time that the first question said, whatever cut it."""
    run = await world.run(flow("s >> a; a:error >> l", a=("input_request", {"timeout": 5000}), l="log"))
    world.expect(run.status == "completed", f"{run.summary}")
    world.expect("nobody answered" in run.results.get("l", {}).get("message", ""), f"{run.results}")
    untils = {event.waiting.until for event in run.events if isinstance(event, NodeChanged) and event.waiting}
    world.expect(len(untils) <= 1, f"the time has moved: {untils}")


SITE = Settings(http_allow=("127.0.0.1:*",))


@covers("http")
@chaos.every_checkpoint(targets="node:h", settings=SITE)
async def test_http_get(world):
    """A GET that was cut is sent again, to a real server."""
    load_fetching()
    async with open_site(x=page({"a": 1})) as site:
        run = await world.run(flow("s >> h", h=("http", {"url": site.url("/x")})))
    world.expect(run.results.get("h", {}).get("body") == {"a": 1}, f"{run.results}")
    world.expect(1 <= len(site.asked) <= 2, f"asked {len(site.asked)} times")


@covers("http")
@chaos.every_checkpoint(targets="node:h", settings=SITE)
async def test_http_post(world):
    """A POST is sent once, whatever cuts the node around it."""
    load_fetching()
    async with open_site(x=page({"a": 1})) as site:
        run = await world.run(flow("s >> h", h=("http", {"url": site.url("/x"), "method": "POST", "json": 1})))
    world.expect(run.results.get("h", {}).get("body") == {"a": 1}, f"{run.results}")
    world.expect(len(site.asked) == 1, f"asked {len(site.asked)} times")


@covers("screenshot")
@pytest.mark.parametrize("fault", ["cancel", "pause", "stop"])
def test_screenshot(fault, tmp_path):
    """One picture, whole or not there."""
    number = iter(range(1000))

    async def play(strike: Strike):
        folder = tmp_path / str(next(number))
        async with strike.opened(Settings(artifacts=str(folder))) as runtime:
            run, summary = await strike.run(runtime, flow("s >> p", p=("screenshot", {"filename": "p.png"})))
        files = [path.name for path in folder.rglob("*") if path.is_file()]
        if fault != "stop":
            assert summary.status == "completed"
            assert files == ["p.png"]
            assert run.view.nodes["p"].result["filename"] == "p.png"
        assert files in ([], ["p.png"])

    assert strikes(play, "p", fault) >= 3


SCRIPT = "echo $$ >> pids; echo said; sleep 0.02; echo done >> done"


@covers("command")
@pytest.mark.parametrize("fault", ["cancel", "pause", "stop"])
def test_command(fault, tmp_path):
    """A real process: it comes to its end once, and whatever strikes, none is left."""
    number = iter(range(1000))

    async def play(strike: Strike):
        folder = tmp_path / str(next(number))
        folder.mkdir()
        async with strike.opened(Settings(commands_allow=("sh",), commands_folder=str(folder))) as runtime:
            graph = flow("s >> c", c=("command", {"argv": ["sh", "-c", SCRIPT]}))
            run, summary = await strike.run(runtime, graph)
        begun, done = (lines(folder / name) for name in ("pids", "done"))
        with trio.fail_after(5):
            while living(begun):  # noqa: ASYNC110  what was killed takes a moment, and sets no event
                await trio.sleep(0.001)
        if fault != "stop":
            assert summary.status == "completed"
            assert run.view.nodes["c"].result == {"exitStatus": 0, "stdout": "said\n", "stderr": ""}
            # A cancel out of the blue may come between what it does and its end; then, and only then, it runs again.
            assert len(begun) <= (1 if fault == "pause" else 2)
            assert 1 <= len(done) <= len(begun)

    assert strikes(play, "c", fault) >= 10


def living(groups: list[str]) -> list[str]:
    """Processes of these groups, but for those that are dead and that nobody has asked about yet."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            state, _, group, *_ = stat.read_text().rpartition(")")[2].split()
            if group in groups and state not in "ZX":
                found.append(stat.parent.name)
    return found


def lines(path: Path) -> list[str]:
    """The lines of a file that may not be there."""
    return path.read_text().splitlines() if path.exists() else []


def test_every_built_in_kind_is_struck():
    """A new kind needs a test here."""
    assert set(COVERED) >= set(Registry.builtin().kinds) - {"subflow"}
