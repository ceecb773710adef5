"""What each kind of node does on a real page, and what it says when it can not."""

import math
import struct

import pytest
import trio
import trio.testing

from actors import registry
from actors.errors import NodeError
from actors.runtime import open_runtime
from tests.browser.conftest import Stage, graph

HOLD = {"kind": "wait", "duration": 60_000}
SHORT = 1500
"""Milliseconds until a node gives up that is to give up."""


def start(url):
    """The first node of a run."""
    return {"kind": "start", "url": url}


def click(selector="#b", **config):
    """A click."""
    return {"kind": "click", "selector": selector, **config}


def look(selector, operator, value="", node_id="look"):
    """A condition."""
    return {"kind": "condition", "id": node_id, "selector": selector, "operator": operator, "value": value}


async def left_at(stage, expression, *nodes):
    """What an expression is worth in the page that some nodes leave behind."""
    run = await stage.start(*nodes, {"kind": "wait", "duration": 60_000})
    await stage.reached(run, "wait")
    value = await stage.evaluate(run, expression)
    await run.stop()
    return value


ONE = {"mousedown": 1, "mouseup": 1, "click": 1, "dblclick": 0}


async def test_a_click_is_made_once(stage, shop):
    """Whatever the element does before it can be clicked, and the page while it is."""
    cases = [
        ("/count", {}, ONE),
        ("/slow?ms=700", {}, ONE),
        ("/covered?ms=700", {}, ONE),
        ("/moving?ms=40", {}, ONE),
        ("/count", {"clickType": "double"}, {"mousedown": 2, "mouseup": 2, "click": 2, "dblclick": 1}),
        ("/count", {"clickType": "right"}, {"mousedown": 1, "mouseup": 1, "click": 0, "dblclick": 0}),
        ("/busy?ms=1800", {}, ONE),
    ]
    for path, config, seen in cases:
        assert await left_at(stage, "n", start(shop.url(path)), click(**config)) == seen, path


@registry.node("twice")
async def twice(ctx):
    """Clicks two times, and types two times."""
    for text in ("one", "two"):
        await ctx.driver.click(ctx, "#i", button="left", count=1, nth=None)
        await ctx.driver.fill(ctx, "#i", text, clear=True)


async def test_a_node_may_act_twice(shop):
    """The second act is not taken for the first."""
    kinds = registry.Registry.builtin()
    kinds.register(twice)
    async with open_runtime(registry=kinds) as runtime:
        stage = Stage(runtime)
        run = await stage.start(start(shop.url("/hidden")), {"kind": "twice"}, HOLD)
        await stage.reached(run, "wait")
        assert await stage.evaluate(run, "[n.click, document.getElementById('i').value]") == [2, "two"]
        await run.stop()


async def test_the_wait_for_a_click_presses_nothing(stage, shop):
    """Not even a listener of the window, who hears everything first, hears of it."""
    assert await left_at(stage, "all", start(shop.url("/covered?ms=500")), click()) == [
        "pointerdown",
        "mousedown",
        "click",
    ]


async def test_an_element_that_jumps_is_never_missed(stage, shop):
    """What is told as clicked was clicked; a click into the void is not."""
    clicks = [click(id=f"c{number}") for number in range(10)]
    seen = await left_at(stage, "n", start(shop.url("/moving?ms=60")), *clicks)
    assert seen == {"mousedown": 10, "mouseup": 10, "click": 10, "dblclick": 0}


async def test_an_element_in_an_iframe(stage, shop):
    """Its selector names the iframe first."""
    told = await stage.run(start(shop.url("/frame")), click("#pay >>> #b"), look("#pay >>> #b", "equals", "pay"))
    assert told.result("look") is True
    assert "/paid" in shop.asked


async def test_a_dialog_is_dismissed_and_told(stage, shop):
    """The page goes on, and the run's log has what it asked."""
    told = await stage.run(start(shop.url("/dialog")), click(), look("title", "equals", "no"))
    assert told.result("look") is True
    assert "the page showed a dialog, which was dismissed: 'Really?'" in told.logs("click")


async def test_a_window_that_opens_is_told(stage, shop):
    """Nothing is done in it, and nobody wonders why."""
    told = await stage.run(start(shop.url("/window")), click(), look("#b", "equals", "another"))
    assert told.result("look") is True
    assert any("another window" in line for line in told.logs())


async def test_a_condition_looks_once(stage, shop):
    """And waits for no element: what is not there has no text."""
    cases = [
        (".row", "exists", "", True),
        (".none", "exists", "", False),
        (".none", "not_exists", "", True),
        (".row", "visible", "", True),
        ("#gone", "visible", "", False),
        ("#gone", "hidden", "", True),
        (".none", "hidden", "", True),
        (".row", "equals", "one", True),
        (".none", "equals", "one", False),
        (".none", "not_equals", "one", True),
        (".row", "contains", "ne", True),
        (".row", "not_contains", "ne", False),
        (".row", "matches", "^o.e$", True),
        ("#i", "equals", "typed", True),
    ]
    looks = [look(selector, operator, value, f"l{n}") for n, (selector, operator, value, _) in enumerate(cases)]
    plan = graph(start(shop.url("/hidden")), *looks)
    # On both ports: what it answers is what is looked at.
    plan["edges"] = [
        {**edge, "sourceHandle": port}
        for edge in plan["edges"]
        for port in ("true", "false")
        if edge["source"] != "start"
    ] + plan["edges"][:1]
    run = await stage.runtime.start(plan, config={"driver": "browser"})
    told = await stage.told(run)
    assert [told.result(f"l{n}") for n in range(len(cases))] == [holds for *_, holds in cases]


async def test_typing_replaces_or_appends(stage, shop):
    """And the text stays out of the run's events."""
    told = await stage.run(
        start(shop.url("/")),
        {"kind": "input", "selector": "#user", "text": "-new"},
        {"kind": "input", "id": "pw", "selector": "#pw", "text": "hunter2", "clearFirst": True},
        click("button"),
    )
    assert "/login?user=old-new&pw=hunter2" in shop.asked
    assert told.result("pw") == {"selector": "#pw", "length": 7}


async def test_a_wait_for_an_element(stage, shop):
    """Each state, as the kind `wait` asks for it."""
    run = await stage.start(start(shop.url("/slow?ms=300")), {"kind": "wait", "duration": 60_000})
    await stage.reached(run, "wait")
    (task,) = stage.runtime._actors[run.id].tasks
    for selector, state in (("#b", "visible"), ("#b", "attached"), ("#none", "hidden"), ("#none", "detached")):
        with trio.fail_after(10):
            await stage.driver(run).wait_for(task, selector, state=state)
    await run.stop()


async def test_a_picture_has_the_size_it_says(stage, shop):
    """It is a PNG, and what the result says is true."""
    told = await stage.run(start(shop.url("/count")), {"kind": "screenshot", "filename": "page.png"})
    result = told.result("screenshot")
    run_id = result["url"].split("/")[3]
    png = stage.runtime.artifacts.find(run_id, "page.png").read_bytes()
    assert png.startswith(b"\x89PNG")
    assert struct.unpack(">II", png[16:24]) == (result["width"], result["height"]) == (1280, 720)
    assert len(png) == result["bytes"]


async def test_a_failure_explains_itself(stage, shop):
    """With Playwright's own log, and a picture of the page."""
    cases = [
        ("/count", click("#none", timeout=SHORT), "timeout", "waiting for locator"),
        ("/disabled", click(timeout=SHORT), "timeout", 'unexpected value "disabled"'),
        ("/covered?ms=60000", click(timeout=SHORT), "timeout", "intercepts pointer events"),
        ("/hidden", click(".row"), "ambiguous_selector", "`nth`"),
        ("/hidden", click("tton["), "bad_selector", "tton["),
        ("/disabled", {"kind": "input", "selector": "#i", "text": "s3cret", "timeout": SHORT}, "timeout", "disabled"),
        ("/hidden", look("#i", "matches", "("), "bad_config", "no regular expression"),
    ]
    for path, node, code, says in cases:
        told = await stage.run(start(shop.url(path)), {**node, "id": "bad one"})
        got, text = told.error("bad one")
        assert got == code, text
        assert says in text
        assert "s3cret" not in text
        (line,) = [line for line in told.logs("bad one") if line.startswith("the page as it was: ")]
        run_id, name = line.split("/")[3], line.split("/")[5]
        assert name == "failed_bad_one.png"
        assert stage.runtime.artifacts.find(run_id, name).read_bytes().startswith(b"\x89PNG")


async def test_a_page_that_is_not_there(stage):
    """The browser's own word for it."""
    told = await stage.run(start("http://127.0.0.1:9/"))
    code, text = told.error("start")
    assert code == "page_failed"
    assert "127.0.0.1:9" in text


async def test_a_page_that_never_comes_is_given_up(stage, shop):
    """After the node's timeout; and a stop does not wait for it."""
    told = await stage.run({**start(shop.url("/never")), "timeout": SHORT})
    assert told.error("start")[0] == "timeout"


async def test_what_starts_together_acts_in_order(stage, shop):
    """One act at a time, in the order in which the nodes were started."""
    names = [f"c{number}" for number in range(8)]
    nodes = [{"id": "s", "type": "start", "data": {"config": {"url": shop.url("/count"), "waitTime": 0}}}]
    nodes += [{"id": n, "type": "click", "data": {"config": {"selector": "#b", "waitTime": 0}}} for n in names]
    edges = [{"source": "s", "target": name} for name in names]
    run = await stage.runtime.start({"nodes": nodes, "edges": edges}, config={"driver": "browser"})
    told = await stage.told(run)
    done = [e.node_id for e in told.events if getattr(e, "status", "") == "success" and e.node_id in names]
    assert done == names


async def test_an_app_is_started_only_where_that_is_allowed(stage):
    """Its node fails, and says what would allow it."""
    told = await stage.run({"kind": "start", "appName": "notepad"})
    assert told.status("start") == "error"
    code, text = told.error("start")
    assert code == "not_allowed"
    assert "commands_allow" in text


async def test_an_address_without_a_scheme(stage, shop):
    """As people type it."""
    told = await stage.run(start(shop.url("/count").removeprefix("http://")), look("#b", "exists"))
    assert told.result("look") is True


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "FILE:/etc/passwd", "view-source:file:///etc/passwd", "chrome://version"]
)
async def test_a_file_of_the_server_is_not_opened(stage, url):
    """Nor a page of the browser's own."""
    told = await stage.run(start(url), look("body", "contains", "root"))
    code, error = told.error("start")
    assert code == "not_allowed"
    assert "only http, https and about:blank are allowed" in error


async def test_a_file_is_not_opened_again_either(stage, shop):
    """Whatever the notes of a run say of where its page was."""
    run = await stage.start(start(shop.url("/count")), HOLD)
    await stage.reached(run, "wait")
    (task,) = stage.runtime._actors[run.id].tasks
    driver = stage.driver(run)
    driver._state = {"url": "file:///etc/passwd", "storage": None}
    driver._lose(driver._tab, "it crashed")
    with pytest.raises(NodeError) as failure:
        await driver.check(task, "body", "contains", "root")
    assert failure.value.code == "not_allowed"
    await run.stop()


async def test_a_secret_is_not_kept_and_no_wrong_one_is_used(monkeypatch, shop, open_stage):
    """What holds one is left out of the notes, and said to be; in memory the page is known as it is."""
    monkeypatch.setenv("CALLBOARD_SECRET_TOKEN", "swordfish-123")
    async with open_stage() as stage:
        run = await stage.start(start(shop.url("/count")), HOLD)
        await stage.reached(run, "wait")
        (task,) = stage.runtime._actors[run.id].tasks
        driver = stage.driver(run)

        async def noted(script):
            await stage.evaluate(run, script)
            await driver.check(task, "#b", "exists", "")
            await trio.testing.wait_all_tasks_blocked(0.05)
            assert "swordfish" not in repr(run.view.notes["driver"])

        async def seen_after(*, restart):
            driver._lose(driver._tab, "it crashed")
            if restart:
                driver._state = None
            await driver.check(task, "#b", "exists", "")
            return await stage.evaluate(run, "[location.search, document.cookie, localStorage.t]")

        await noted("document.cookie = 'a=1; max-age=900'; document.cookie = 'b=swordfish-123; max-age=900'")
        await noted("localStorage.t = 'swordfish-123'; history.pushState({}, '', '?t=swordfish-123')")
        assert await seen_after(restart=False) == ["?t=swordfish-123", "a=1; b=swordfish-123", "swordfish-123"]
        with pytest.raises(NodeError, match="its address holds a secret") as failure:
            await seen_after(restart=True)
        assert failure.value.code == "browser_lost"
        driver._state = {"url": shop.url("/count"), "storage": None}
        await driver.open(task, shop.url("/count"), None)
        await noted("document.cookie = 'a=1'; document.cookie = 'b=swordfish-123'; localStorage.t = 'swordfish-123'")
        assert await seen_after(restart=True) == ["", "a=1", None]
        await run.stop()
        assert any("but for 2 entries that held a secret" in line for line in (await stage.told(run)).logs())


def test_patience_is_finite():
    """Playwright's own log comes with its timeouts only."""
    from actors.browser.driver import ACT_S, LOOK_S, PATIENCE_S

    assert all(0 < limit < math.inf for limit in (ACT_S, LOOK_S, PATIENCE_S))
