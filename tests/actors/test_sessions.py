"""The session table: takeovers, sharing, and request ids that are answered once."""

import gc
import weakref

import attrs
import pytest
import trio

from actors import sessions as module
from actors.errors import Busy
from actors.sessions import ConnectionStatistics, Sessions, new_session_id
from protocol.dialects import DIALECTS
from protocol.messages import ControlReply, Reply


@attrs.define(eq=False)
class Window:
    session_id: str
    closed: int = 0
    gone: int = 0

    dialect = DIALECTS["snake"]
    batch = False

    def push(self, data: bytes) -> bool:
        return True

    def reply(self, reply: Reply) -> None:
        raise NotImplementedError

    def replaced(self) -> None:
        self.closed += 1

    def go_away(self) -> None:
        self.gone += 1

    def statistics(self) -> ConnectionStatistics:
        raise NotImplementedError


def reply(**fields) -> ControlReply:
    """An answer to a pause."""
    return ControlReply(action="pause", ok=True, reply_to="first", **fields)


async def test_a_second_connection_closes_the_first():
    """Takeover: whoever comes last speaks for the session."""
    table = Sessions()
    first, second, other = Window("a"), Window("a"), Window("b")
    for window in (first, other, second):
        table.join(window)
    assert (first.closed, second.closed, other.closed) == (1, 0, 0)
    assert table.newest("a") is second
    table.leave(first)
    assert set(table) == {second, other}
    assert len(table) == 2


async def test_the_end_is_told_to_everyone_and_to_who_comes_meanwhile():
    """A connection that was in its handshake hears of it as soon as it is there."""
    table = Sessions()
    first, late = Window("a"), Window("b")
    table.join(first)
    table.end()
    table.join(late)
    assert (first.gone, late.gone) == (1, 1)


async def test_two_windows_with_one_id_do_not_evict_each_other_for_ever(autojump_clock):
    """After three takeovers within half a minute they share, until the last has left."""
    table = Sessions()
    windows = [Window("a") for _ in range(6)]
    for window in windows[:4]:
        table.join(window)
        await trio.sleep(1)
        for older in windows[:4]:
            if older.closed:
                table.leave(older)
    assert [window.closed for window in windows[:4]] == [1, 1, 1, 0]
    table.join(windows[4])
    await trio.sleep(100)
    table.join(windows[5])
    assert [window.closed for window in windows[3:]] == [0, 0, 0]
    for window in windows:
        table.leave(window)
    assert len(table) == 0
    again, newer = Window("a"), Window("a")
    table.join(again)
    table.join(newer)
    assert again.closed == 1


async def test_takeovers_that_are_far_apart_stay_takeovers(autojump_clock):
    """A client that loses its connection now and then never shares with its own ghost."""
    table = Sessions()
    previous = Window("a")
    table.join(previous)
    for _ in range(10):
        await trio.sleep(16)
        window = Window("a")
        table.join(window)
        assert previous.closed == 1
        table.leave(previous)
        previous = window


async def test_a_repeated_request_gets_the_same_answer():
    """Pending or answered, on whatever connection it is asked: done once, answered each in its own name."""
    table = Sessions()
    assert table.request("s", "r") is None
    pending = table.remember("s", "r")
    heard: list[Reply] = []
    pending.ask(heard.append, id="first")
    assert table.request("s", "r") is pending
    pending.ask(heard.append, id="second")
    assert heard == []
    pending.settle(reply())
    pending.ask(heard.append, id="third")
    assert [answer.reply_to for answer in heard] == ["first", "second", "third"]
    assert len({attrs.evolve(answer, reply_to=None) for answer in heard}) == 1
    assert table.request("other", "r") is None


async def test_an_answer_that_was_not_done_may_be_tried_again():
    """Busy is no answer to keep."""
    table = Sessions()
    table.remember("s", "r").settle(reply(code="busy"))
    assert table.request("s", "r") is None
    table.remember("s", "q")
    table.forget("s", "q")
    assert table.request("s", "q") is None


async def test_requests_are_forgotten_after_ten_minutes(autojump_clock):
    """Long enough for a reconnect."""
    table = Sessions()
    pending = table.remember("s", "r")
    await trio.sleep(599)
    assert table.request("s", "r") is pending
    await trio.sleep(2)
    assert table.request("s", "r") is None


async def test_a_remembered_start_does_not_keep_its_connection():
    """It is known whether the same connection asks again, and nothing of one that is gone is held."""
    pending = Sessions().remember("s", "r")
    first, second = Window("s"), Window("s")
    assert [pending.asked_by(window) for window in (first, first, second, first)] == [False, True, False, False]
    gone = weakref.ref(first)
    del first
    gc.collect()
    assert gone() is None


async def test_requests_are_bounded(monkeypatch):
    """Full means that the oldest are forgotten."""
    monkeypatch.setattr(module, "MAX_REQUESTS", 3)
    table = Sessions()
    for name in "abcd":
        table.remember("s", name)
    assert [table.request("s", name) is not None for name in "bcd"] == [False, True, True]


async def test_repetitions_that_wait_are_bounded():
    """A peer that repeats a pending request for ever is told so."""
    pending = Sessions().remember("s", "r")
    for number in range(module.MAX_WAITING):
        pending.ask(print, id=str(number))
    with pytest.raises(Busy):
        pending.ask(print, id="one too many")


def test_a_made_up_session_id_is_never_the_same():
    """Whoever can guess an id can take over its session."""
    assert len({new_session_id() for _ in range(100)}) == 100
