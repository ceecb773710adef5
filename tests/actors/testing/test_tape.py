"""`actors.testing.tape`: it keeps the contract, commits later than it is told, and can be killed."""

from contextlib import AbstractAsyncContextManager

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from actors.errors import JournalError
from actors.journal import Journal
from actors.testing import JournalConformance
from actors.testing.journals.stage import claimed, lines, started
from actors.testing.tape import TapeJournal


class TestTapeJournal(JournalConformance):
    """Its leases pass on a virtual clock."""

    lease = 1.0
    durable = True

    @pytest.fixture
    def clock(self, autojump_clock: MockClock) -> trio.abc.Clock | None:
        return autojump_clock

    def open(self) -> AbstractAsyncContextManager[Journal]:
        return TapeJournal()


async def test_what_is_not_committed_is_not_there():
    """Nobody reads it, nobody hears of it, and its ticket is open."""
    async with TapeJournal() as tape:
        claim = await claimed(tape)
        ticket = tape.append_nowait(claim, [started()])
        before = ticket.done, len(tape.events("r1"))
        await ticket
        assert [before, (ticket.done, len(tape.events("r1")))] == [(False, 0), (True, 1)]


async def test_a_kill_loses_what_waits_and_keeps_the_rest():
    """Whoever waits is told, whoever comes later is refused, and the next process finds what was committed."""
    async with TapeJournal() as tape:
        claim = await claimed(tape)
        await tape.append_nowait(claim, [started()])
        lost = tape.append_nowait(claim, lines(2, 2))
        tape.kill()
        with pytest.raises(JournalError, match="killed"):
            await lost
        with pytest.raises(JournalError, match="killed"):
            tape.append_nowait(claim, lines(2, 2))
        with pytest.raises(JournalError, match="killed"):
            await tape.put_session("s", b"x")
        await wait_all_tasks_blocked()
        again = tape.again()
    async with again:
        assert len((await again.load("r1")).events) == 1
        (claim,) = await again.claim(lease=60)
        await again.append_nowait(claim, lines(2, 2))
        assert len(again.events("r1")) == 2
        assert len(tape.events("r1")) == 1
