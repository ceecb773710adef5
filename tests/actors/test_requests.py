"""Request ids: answered once, remembered for ten minutes, bounded."""

import gc
import weakref

import attrs
import pytest
import trio

from actors import requests as module
from actors.errors import Busy
from actors.requests import Requests
from protocol.messages import ControlReply, Reply


class Asker:
    pass


def reply(**fields) -> ControlReply:
    """An answer to a pause."""
    return ControlReply(action="pause", ok=True, reply_to="first", **fields)


async def test_a_repeated_request_gets_the_same_answer():
    """Pending or answered, on whatever connection it is asked: done once, answered each in its own name."""
    table = Requests()
    assert table.find("s", "r") is None
    pending = table.remember("s", "r")
    heard: list[Reply] = []
    pending.ask(heard.append, id="first")
    assert table.find("s", "r") is pending
    pending.ask(heard.append, id="second")
    assert heard == []
    pending.settle(reply())
    pending.ask(heard.append, id="third")
    assert [answer.reply_to for answer in heard] == ["first", "second", "third"]
    assert len({attrs.evolve(answer, reply_to=None) for answer in heard}) == 1
    assert table.find("other", "r") is None


async def test_an_answer_that_was_not_done_may_be_tried_again():
    """Busy is no answer to keep."""
    table = Requests()
    table.remember("s", "r").settle(reply(code="busy"))
    assert table.find("s", "r") is None
    table.remember("s", "q")
    table.forget("s", "q")
    assert table.find("s", "q") is None


async def test_requests_are_forgotten_after_ten_minutes(autojump_clock):
    """Long enough for a reconnect."""
    table = Requests()
    pending = table.remember("s", "r")
    await trio.sleep(599)
    assert table.find("s", "r") is pending
    await trio.sleep(2)
    assert table.find("s", "r") is None


async def test_a_remembered_start_does_not_keep_its_connection():
    """It is known whether the same connection asks again, and nothing of one that is gone is held."""
    pending = Requests().remember("s", "r")
    first, second = Asker(), Asker()
    assert [pending.asked_by(window) for window in (first, first, second, first)] == [False, True, False, False]
    gone = weakref.ref(first)
    del first
    gc.collect()
    assert gone() is None


async def test_requests_are_bounded(monkeypatch):
    """Full means that the oldest are forgotten."""
    monkeypatch.setattr(module, "MAX_REQUESTS", 3)
    table = Requests()
    for name in "abcd":
        table.remember("s", name)
    assert [table.find("s", name) is not None for name in "bcd"] == [False, True, True]


async def test_repetitions_that_wait_are_bounded():
    """A peer that repeats a pending request for ever is told so."""
    pending = Requests().remember("s", "r")
    for number in range(module.MAX_WAITING):
        pending.ask(print, id=str(number))
    with pytest.raises(Busy):
        pending.ask(print, id="one too many")
