"""Whose turn it is on a page."""

import trio
import trio.testing

from actors.browser.turns import Turns


async def test_several_acts_of_one_node_take_turns():
    """One after the other, and after those of a node that was started earlier; a cut one is left out."""
    turns, acted = Turns(lambda: ["first", "second"]), []
    at_once = 0

    async def act(who, what, scope=None):
        nonlocal at_once
        with scope or trio.CancelScope():
            async with turns.turn(who):
                at_once += 1
                assert at_once == 1
                await trio.testing.wait_all_tasks_blocked()
                acted.append(what)
                at_once -= 1

    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            cut = trio.CancelScope()
            async with turns.turn("other"):
                acts = (("second", "c", None), ("first", "a", None), ("first", "cut", cut), ("first", "b", None))
                for who, what, scope in acts:
                    nursery.start_soon(act, who, what, scope)
                    await trio.testing.wait_all_tasks_blocked()
                cut.cancel()
                await trio.testing.wait_all_tasks_blocked()
                assert acted == []
    assert acted == ["a", "b", "c"]
