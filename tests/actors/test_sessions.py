"""The session table: takeovers, sharing, what is kept of who is away, and for how long."""

from collections.abc import AsyncIterator, Callable

import attrs
import pytest
import trio

from actors import sessions as module
from actors.hub import open_hub
from actors.interests import Interests
from actors.journals import MemoryJournal
from actors.sessions import ConnectionStatistics, Sessions, new_session_id
from actors.standing import Standing
from protocol.dialects import Dialect
from protocol.dialects.text import dumps, loads
from protocol.graph import Workflow
from protocol.messages import Reply
from protocol.session import Session


@attrs.define(eq=False)
class Window:
    session_id: str
    session: Session = attrs.field(init=False)
    closed: int = 0
    gone: int = 0

    batch = False

    def __attrs_post_init__(self) -> None:
        self.session = Session(session_id=self.session_id, path="/ws", query={"dialect": "snake"})

    @property
    def dialect(self) -> Dialect:
        assert self.session.dialect is not None
        return self.session.dialect

    def push(self, data: bytes, *, events: bool = True) -> bool:
        return True

    def reply(self, reply: Reply) -> None:
        raise NotImplementedError

    def replaced(self) -> None:
        self.closed += 1

    def go_away(self) -> None:
        self.gone += 1

    def tell_status(self) -> None:
        raise NotImplementedError

    def statistics(self) -> ConnectionStatistics:
        raise NotImplementedError


def body(positions: dict[str, int]) -> bytes:
    """A session as it is written down."""
    standing = Standing(interests=Interests(), positions=positions, at=1.0)
    return dumps({"dialect": "snake", "replies": 3, "standing": standing.pack()})


MakeTable = Callable[..., Sessions]


@pytest.fixture
async def make_table() -> AsyncIterator[MakeTable]:
    """Makes a table; `expired` collects the ids of sessions that ended."""

    async def plan(run_id: str) -> tuple[str, Workflow]:
        raise NotImplementedError

    async with MemoryJournal() as journal, open_hub(journal, plan=plan) as hub:

        def make(limit: int = 100, expired: list[str] | None = None) -> Sessions:
            collect = [] if expired is None else expired
            return Sessions(hub, window=120, limit=limit, journaled=True, expired=collect.append)

        yield make


async def test_a_second_connection_closes_the_first(make_table):
    """Takeover: whoever comes last speaks for the session."""
    table = make_table()
    first, second, other = Window("a"), Window("a"), Window("b")
    for window in (first, other, second):
        table.join(window)
    assert (first.closed, second.closed, other.closed) == (1, 0, 0)
    assert table.newest("a") is second
    table.leave(first)
    assert set(table) == {second, other}
    assert len(table) == 2


async def test_the_end_is_told_to_everyone_and_to_who_comes_meanwhile(make_table):
    """A connection that was in its handshake hears of it as soon as it is there."""
    table = make_table()
    first, late = Window("a"), Window("b")
    table.join(first)
    table.end()
    table.join(late)
    assert (first.gone, late.gone) == (1, 1)


async def test_two_windows_with_one_id_do_not_evict_each_other_for_ever(make_table, autojump_clock):
    """After three takeovers within half a minute they share, until the session expires."""
    table = make_table()
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
    for expected in (0, 1):
        again, newer = Window("a"), Window("a")
        table.join(again)
        table.join(newer)
        assert again.closed == expected
        table.leave(again)
        table.leave(newer)
        await trio.sleep(120)
        table.expire()


async def test_takeovers_that_are_far_apart_stay_takeovers(make_table, autojump_clock):
    """A client that loses its connection now and then never shares with its own ghost."""
    table = make_table()
    previous = Window("a")
    table.join(previous)
    for _ in range(10):
        await trio.sleep(16)
        window = Window("a")
        table.join(window)
        assert previous.closed == 1
        table.leave(previous)
        previous = window


async def test_a_session_outlives_its_connection_by_the_window(make_table, autojump_clock):
    """It keeps its dialect and the numbers of its replies; then it is told to whoever asked, and is a new one."""
    expired: list[str] = []
    table, window = make_table(expired=expired), Window("a")
    window.session.replies = 7
    table.join(window)
    table.leave(window)
    await trio.sleep(119)
    table.expire()
    assert (table.known("a"), table.dialect("a"), table.replies("a"), expired) == (True, "snake", 7, [])
    back = Window("a")
    table.join(back)
    await trio.sleep(500)
    table.expire()
    assert table.known("a")
    table.leave(back)
    assert table.due == trio.current_time() + 120
    await trio.sleep(120)
    table.expire()
    assert (table.known("a"), table.dialect("a"), table.replies("a"), expired) == (False, None, 0, ["a"])


async def test_sessions_without_a_connection_are_bounded(make_table, autojump_clock):
    """Full means that the one that went first expires early."""
    expired: list[str] = []
    table = make_table(limit=2, expired=expired)
    for name in "abc":
        window = Window(name)
        table.join(window)
        table.leave(window)
    assert (expired, [name for name in "abc" if table.known(name)], table.detached) == (["a"], ["b", "c"], 2)


async def test_what_is_kept_of_one_peer_is_bounded(make_table, monkeypatch):
    """A standing that is too large is not kept: its session is, with its dialect, and hears nothing by itself."""
    table = make_table()
    for limit, kept in ((2**18, True), (10, False)):
        monkeypatch.setattr(module, "STANDING_BYTES", limit)
        table.restore(f"{limit}", body({"r1": 1}))
        assert (table.known(f"{limit}"), table.dialect(f"{limit}")) == (True, "snake")
        assert (table.pack(f"{limit}") is not None) is kept


async def test_of_many_windows_with_one_id_only_the_last_to_go_are_waited_for(autojump_clock):
    """Each leaves its place, up to a number; each is waited for as long as a session."""
    session = module._Session()
    for n in range(module.MAX_AWAY + 3):
        session.leave(Standing.unpack(loads(body({f"r{n}": n}))["standing"]), until=trio.current_time() + 120)
        await trio.sleep(1)
    standing = session.take()
    assert standing is not None
    assert list(standing.positions) == [f"r{n}" for n in range(3, module.MAX_AWAY + 3)]
    await trio.sleep(114)
    standing = session.take()
    assert standing is not None
    assert list(standing.positions) == [f"r{n}" for n in range(6, module.MAX_AWAY + 3)]
    await trio.sleep(10)
    assert session.take() is None


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"{}", b'{"dialect": "snake", "replies": 1, "standing": {}}'])
async def test_what_can_not_be_read_back_is_no_session(make_table, body):
    """A journal of another version costs a session, not the server."""
    table = make_table()
    assert table.restore("a", body) is False
    assert not table.known("a")


def test_a_made_up_session_id_is_never_the_same():
    """Whoever can guess an id can take over its session."""
    assert len({new_session_id() for _ in range(100)}) == 100
