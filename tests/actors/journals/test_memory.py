"""The journal in memory keeps the contract, and commits within the call."""

from contextlib import AbstractAsyncContextManager

import pytest
import trio
from trio.testing import MockClock, assert_no_checkpoints

from actors.errors import Fenced, Gap, JournalError
from actors.journal import Claim, Journal
from actors.journals import MemoryJournal
from actors.testing import JournalConformance
from actors.testing.journals.stage import Heard, claimed, ended, lines, started
from protocol.states import RunStatus


class TestMemoryJournal(JournalConformance):
    """It waits for nothing outside of trio, so its leases pass on a virtual clock."""

    lease = 1.0

    @pytest.fixture
    def clock(self, autojump_clock: MockClock) -> trio.abc.Clock | None:
        return autojump_clock

    def open(self) -> AbstractAsyncContextManager[Journal]:
        return MemoryJournal()


async def test_an_append_is_durable_and_published_when_it_returns():
    """Nobody waits for a ticket; the listener has heard each batch of the caller's, events and notes together."""
    async with MemoryJournal() as journal:
        journal.attach(heard := Heard(journal))
        claim = await claimed(journal)
        with assert_no_checkpoints():
            tickets = [
                journal.append_nowait(claim, [started(), *lines(2, 2)], [("k", 1)]),
                journal.append_nowait(claim, [], [("k", None)]),
                journal.append_nowait(claim, lines(3, 3)),
            ]
            assert all(ticket.done for ticket in tickets)
            assert heard.batches == [("r1", [1, 2], [("k", 1)]), ("r1", [], [("k", None)]), ("r1", [3], [])]


async def test_what_is_wrong_is_raised_at_once():
    """By the append itself, so that whoever never awaits a ticket hears of it too."""
    async with MemoryJournal() as journal:
        claim = await claimed(journal)
        with pytest.raises(Gap):
            journal.append_nowait(claim, lines(2, 2))
        with pytest.raises(Fenced):
            journal.append_nowait(Claim("r1", claim.token + 1, claim.owner), [started()])
        journal.append_nowait(claim, [started(), ended(2)], close=RunStatus.COMPLETED)
        with pytest.raises(Fenced):
            journal.append_nowait(claim, lines(3, 3))
    with pytest.raises(JournalError):
        journal.append_nowait(claim, lines(3, 3))
