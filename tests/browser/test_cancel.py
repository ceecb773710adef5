"""A cancel, a pause or a stop at any moment: what is told as clicked was clicked, whole, and nothing else was."""

import random

import pytest
import trio

from actors.errors import NodeError
from protocol.messages import NodeChanged
from protocol.states import NodeStatus

CLICK = {"kind": "click", "selector": "#b"}
HOLD = {"kind": "wait", "duration": 600_000}
LATENCY_S = 1.0
"""How soon a stop has to be over. On an idle machine it takes 0.1 s."""


def start(url):
    """The first node of a run."""
    return {"kind": "start", "url": url}


async def settled(stage, run):
    """The mouse events that a page has seen when all that was sent has come."""
    await stage.evaluate(run, "new Promise(done => setTimeout(done, 300))")
    return await stage.evaluate(run, "n")


async def clicked(driver, task, selector, *, cut_after):
    """Click, called off after so many seconds. Gives how long that took, or None if it was clicked."""
    cut_at = 0.0

    async def cut():
        nonlocal cut_at
        await trio.sleep(cut_after)
        cut_at = trio.current_time()
        scope.cancel()

    async with trio.open_nursery() as nursery:
        with trio.CancelScope() as scope:
            nursery.start_soon(cut)
            await driver.click(task, selector, button="left", count=1, nth=None)
            nursery.cancel_scope.cancel()
            return None
        return trio.current_time() - cut_at


async def test_sixty_random_cancels(stage, shop):
    """Completed = clicks = mousedowns = mouseups: no click is torn, none comes after it was called off."""
    seed = random.randrange(2**32)
    chance = random.Random(seed)
    run = await stage.start(start(shop.url("/count")), HOLD)
    await stage.reached(run, "wait")
    (task,) = stage.runtime._actors[run.id].tasks
    driver, completed = stage.driver(run), 0
    for number in range(60):
        # A name of its own for each: `once` makes an act of a node once.
        task.key = f"click-{number}"
        task.idempotency_key = f"{run.id}/{task.key}"
        completed += await clicked(driver, task, "#b", cut_after=chance.uniform(0, 0.25)) is None
    seen = await settled(stage, run)
    assert seen == {"mousedown": completed, "mouseup": completed, "click": completed, "dblclick": 0}, seed
    assert 0 < completed < 60, seed
    await run.stop()


async def test_no_ghost_clicks(stage, shop):
    """What was called off while it waited for an element is not clicked when the element comes."""
    run = await stage.start(start(shop.url("/covered?ms=1500")), {**CLICK, "timeout": 500, "onError": "continue"}, HOLD)
    await stage.reached(run, "wait")
    await stage.evaluate(run, "new Promise(done => setTimeout(done, 2500))")
    assert await stage.evaluate(run, "[n.click, document.getElementById('over')]") == [0, None]
    await run.stop()


async def test_a_cancel_is_quick_and_the_page_usable_at_once(stage, shop):
    """The next act does not wait for the one that was called off."""
    run = await stage.start(start(shop.url("/count")), HOLD)
    await stage.reached(run, "wait")
    (task,) = stage.runtime._actors[run.id].tasks
    driver, took = stage.driver(run), []
    for _ in range(10):
        latency = await clicked(driver, task, "#none", cut_after=0.2)
        assert latency is not None
        took.append(latency)
    began = trio.current_time()
    assert await driver.check(task, "#b", "exists", "") is True
    assert trio.current_time() - began < LATENCY_S
    assert sorted(took)[len(took) // 2] < 0.1
    await run.stop()


async def test_a_stop_does_not_wait_for_an_element(stage, shop):
    """From the stop to `stopped`: under a second, and the page is closed by then."""
    run = await stage.start(start(shop.url("/count")), {**CLICK, "selector": "#none"})
    await stage.waits(run, "click")
    browser = (await stage.browsers.found()).browser
    began = trio.current_time()
    await run.stop()
    summary = await run.wait()
    assert trio.current_time() - began < LATENCY_S
    assert summary.status == "stopped"
    assert browser.contexts == []


async def test_a_stop_does_not_wait_for_a_page(stage, shop):
    """Nor for a server that never answers."""
    run = await stage.start(start(shop.url("/never")))
    while "/never" not in shop.asked:  # noqa: ASYNC110  no event tells
        await trio.sleep(0.01)
    began = trio.current_time()
    await run.stop()
    assert (await run.wait()).status == "stopped"
    assert trio.current_time() - began < LATENCY_S


async def test_a_stop_does_not_wait_for_a_picture(stage, shop):
    """Nor for a page that hangs."""
    run = await stage.start(start(shop.url("/busy?ms=6000")), CLICK, {"kind": "screenshot"})
    await stage.waits(run, "screenshot")
    await trio.sleep(0.1)
    began = trio.current_time()
    await run.stop()
    assert (await run.wait()).status == "stopped"
    assert trio.current_time() - began < LATENCY_S


async def one_click_over_a_pause(stage, run):
    """Pause and resume it: the page hears of one click in all."""
    await run.pause()
    await stage.came_to(run, "paused")
    await run.resume()
    await stage.reached(run, "wait")
    assert await settled(stage, run) == {"mousedown": 1, "mouseup": 1, "click": 1, "dblclick": 0}
    await run.stop()


@pytest.mark.parametrize("after", [0.0, 0.02, 0.05, 0.1])
async def test_a_pause_during_a_click_makes_one_click(stage, shop, after):
    """Wherever it comes: the node that runs again after the resume clicks only if it had not."""
    run = await stage.start(start(shop.url("/covered?ms=300")), CLICK, HOLD)
    await stage.reached(run, "click")
    await trio.sleep(after)
    await one_click_over_a_pause(stage, run)


async def test_a_pause_in_mid_click_waits_for_it(stage, shop):
    """The page takes a second over the click: the pause is not over before, and the click is not made again."""
    run = await stage.start(start(shop.url("/busy?ms=700")), CLICK, HOLD)
    await stage.reached(run, "click")
    while not any(key.startswith("once/click") for key in run.view.notes):  # noqa: ASYNC110  no event tells
        await trio.sleep(0.005)
    await one_click_over_a_pause(stage, run)


async def test_a_node_that_gives_up_leaves_the_page_to_others(stage, shop):
    """The turn of one that is cut in its wait goes to the next."""
    run = await stage.start(start(shop.url("/count")), HOLD)
    await stage.reached(run, "wait")
    (task,) = stage.runtime._actors[run.id].tasks
    driver = stage.driver(run)
    assert await clicked(driver, task, "#none", cut_after=0.1) is not None
    with pytest.raises(NodeError, match="operator"):
        await driver.check(task, "#b", "lt", 1)
    assert await driver.check(task, "#b", "visible", "") is True
    await run.stop()


async def test_nothing_of_a_cut_click_is_told_as_done(stage, shop):
    """A stop in the wait: the node is skipped, and the page was not clicked."""
    run = await stage.start(start(shop.url("/covered?ms=60000")), CLICK)
    await stage.reached(run, "click")
    await run.stop()
    told = await stage.told(run)
    last = [event for event in told.events if isinstance(event, NodeChanged) and event.node_id == "click"][-1]
    assert (last.status, last.reason) == (NodeStatus.SKIPPED, "cancelled")
