"""The journal in memory keeps the contract, and commits within the call."""

import sys
from contextlib import AbstractAsyncContextManager
from types import FrameType

import pytest
import trio
from trio.testing import MockClock, assert_no_checkpoints

from actors.errors import Fenced, Gap, JournalError
from actors.journal import Claim, Journal, Keep
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


async def test_a_trim_looks_at_what_it_forgets_and_not_at_all_that_is_kept():
    """It comes after every run's end, so with many kept runs it would cost more than a run."""
    async with MemoryJournal() as journal:
        for number in range(300):
            run_id = f"r{number}"
            claim = await claimed(journal, run_id, workflow_id=run_id)
            journal.append_nowait(claim, [started(run_id), ended(2, run_id)], close=RunStatus.COMPLETED)
        counter = _Calls()
        sys.setprofile(counter)
        try:
            kept = await journal.trim(Keep(runs=300, days=100_000.0))
            after_keeping, counter.count = counter.count, 0
            forgotten = await journal.trim(Keep(runs=298, days=100_000.0))
        finally:
            sys.setprofile(None)
        assert not kept.run_ids
        assert forgotten.run_ids == ["r0", "r1"]
        assert max(after_keeping, counter.count) < 100


class _Calls:
    """Counts the calls of functions."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, frame: FrameType, event: str, _: object) -> None:
        if event == "call":
            self.count += 1
