"""How a run is heard from any position: what was, then what comes, to the ending, without a gap."""

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actors.errors import JournalError
from actors.journal import Journal, Keep
from actors.testing.journals.stage import JournalTests, claimed, ended, lines, started, until
from protocol.states import RunStatus

__all__ = ["Following"]


class Following(JournalTests):
    """`follow`."""

    async def test_it_replays_then_lives_then_ends(self) -> None:
        """Begun in the middle of a run it tells what was, then what comes, and ends after the ending."""
        heard: list[int] = []
        async with self.opened() as journal, trio.open_nursery() as nursery:
            claim = await claimed(journal)
            await journal.append_nowait(claim, [started(), *lines(2, 2600)])
            nursery.start_soon(_hear, journal, heard, 5)
            await until(lambda: len(heard) == 2595)
            for seq in range(2601, 2700):
                journal.append_nowait(claim, lines(seq, seq))
            await journal.append_nowait(claim, [ended(2700)], close=RunStatus.COMPLETED)
            await until(lambda: len(nursery.child_tasks) == 0)
            assert heard == list(range(6, 2701))

    async def test_two_followers_hear_the_same_from_where_they_are(self) -> None:
        """Each has a position of its own, and neither takes anything from the other."""
        early: list[int] = []
        late: list[int] = []
        async with self.opened() as journal, trio.open_nursery() as nursery:
            claim = await claimed(journal)
            nursery.start_soon(_hear, journal, early)
            nursery.start_soon(_hear, journal, late, 8)
            await until(lambda: journal.statistics().following == 2)
            await journal.append_nowait(claim, [started(), *lines(2, 9)])
            await until(lambda: (len(early), len(late)) == (9, 1))
            await journal.append_nowait(claim, [ended(10)], close=RunStatus.COMPLETED)
            await until(lambda: len(nursery.child_tasks) == 0)
            assert (early, late) == (list(range(1, 11)), [9, 10])

    async def test_no_event_is_missed_while_it_is_written(self) -> None:
        """Followers that begin at any moment of a run in full flight hear each event once, in order."""
        heard: list[list[int]] = []
        async with self.opened() as journal:
            claim = await claimed(journal)

            async def tell() -> None:
                await journal.append_nowait(claim, [started()])
                for first in range(2, 1502, 5):
                    ticket = journal.append_nowait(claim, lines(first, first + 4))
                    if first % 3:
                        await ticket
                    await trio.lowlevel.checkpoint()
                await journal.append_nowait(claim, [ended(1502)], close=RunStatus.COMPLETED)

            async with trio.open_nursery() as nursery:
                nursery.start_soon(tell)
                for number in range(20):
                    heard.append([])
                    nursery.start_soon(_hear, journal, heard[-1], number)
                    await until(lambda number=number: len(heard[0]) > 50 * number)  # type: ignore[misc]  # binds it
            assert heard == [list(range(number + 1, 1503)) for number in range(20)]

    async def test_a_run_that_ended_is_told_to_its_end(self) -> None:
        """From any position, the last one included."""
        async with self.opened() as journal:
            await journal.append_nowait(
                await claimed(journal), [started(), *lines(2, 9), ended(10)], close=RunStatus.COMPLETED
            )
            for after in (0, 4, 10):
                heard: list[int] = []
                await _hear(journal, heard, after)
                assert heard == list(range(after + 1, 11))

    async def test_a_position_ahead_hears_what_comes_behind_it(self) -> None:
        """The events up to it are taken as heard."""
        heard: list[int] = []
        async with self.opened() as journal, trio.open_nursery() as nursery:
            claim = await claimed(journal)
            await journal.append_nowait(claim, [started()])
            nursery.start_soon(_hear, journal, heard, 3)
            await until(lambda: journal.statistics().following == 1)
            await journal.append_nowait(claim, lines(2, 2))
            await journal.append_nowait(claim, [*lines(3, 4), ended(5)], close=RunStatus.COMPLETED)
            await until(lambda: len(nursery.child_tasks) == 0)
            assert heard == [4, 5]

    async def test_a_follower_that_leaves_leaves_nothing(self) -> None:
        """Cancelled while it waits or while it reads, or gone in the middle of an iteration."""
        async with self.opened() as journal:
            claim = await claimed(journal)
            await journal.append_nowait(claim, [started(), *lines(2, 9)])
            with trio.CancelScope() as reading:
                async with journal.follow("r1") as events:
                    async for event in events:
                        if event.seq == 5:
                            reading.cancel()
            async with journal.follow("r1") as events:
                async for _ in events:
                    break
            heard: list[int] = []
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_hear, journal, heard)
                await until(lambda: journal.statistics().following == 1)
                nursery.cancel_scope.cancel()
            assert reading.cancelled_caught
            assert heard == list(range(1, 10))
            assert journal.statistics().following == 0
            await journal.append_nowait(claim, lines(10, 10))

    async def test_a_trimmed_run_is_told_to_its_end(self) -> None:
        """To who followed it when it was trimmed, however far behind."""
        heard: list[int] = []
        async with self.opened() as journal:
            claim = await claimed(journal)
            await journal.append_nowait(claim, [started(), *lines(2, 2999), ended(3000)], close=RunStatus.COMPLETED)
            async with journal.follow("r1") as events:
                async for event in events:
                    heard.append(event.seq)
                    if event.seq == 1:
                        await journal.trim(Keep(runs=0))
                        # A journal may clear away little by little what it forgot; it has the time for that here.
                        for number in range(100):
                            await journal.put_session("s", str(number).encode())
            assert heard == list(range(1, 3001))

    async def test_a_run_that_ends_and_is_trimmed_at_once_is_told_to_its_end(self) -> None:
        """To who waited for its next event: the ending is heard, however soon the run is forgotten."""
        heard: list[int] = []
        async with self.opened() as journal, trio.open_nursery() as nursery:
            claim = await claimed(journal)
            await journal.append_nowait(claim, [started()])
            nursery.start_soon(_hear, journal, heard)
            await until(lambda: journal.statistics().following == 1)
            await journal.append_nowait(claim, [*lines(2, 9), ended(10)], close=RunStatus.COMPLETED)
            await journal.trim(Keep(runs=0))
            await until(lambda: len(nursery.child_tasks) == 0)
            assert heard == list(range(1, 11))

    async def test_closing_the_journal_is_told_to_who_follows(self) -> None:
        """Nobody waits for ever on a journal that takes nothing more; what was handed over before is heard first."""
        heard: list[int] = []
        async with trio.open_nursery() as nursery:
            async with self.opened() as journal:
                claim = await claimed(journal)
                await journal.append_nowait(claim, [started()])

                async def hear() -> None:
                    with pytest.raises(JournalError):
                        await _hear(journal, heard)

                nursery.start_soon(hear)
                await until(lambda: heard == [1])
                await wait_all_tasks_blocked()
            nursery.cancel_scope.deadline = trio.current_time() + self.patience
        assert not nursery.cancel_scope.cancelled_caught


async def _hear(journal: Journal, heard: list[int], after: int = 0) -> None:
    """Note each event that is followed, until its run has ended."""
    async with journal.follow("r1", after) as events:
        async for event in events:
            heard.append(event.seq)  # noqa: PERF401  what was heard is looked at meanwhile
