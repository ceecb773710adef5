"""How a run is written: gapless, each batch whole or not at all, and told to the listener when it is durable."""

from functools import partial

import pytest
import trio
from trio.testing import assert_no_checkpoints

from actors.errors import Fenced, Gap, JournalError
from actors.journal import Claim, Ticket
from actors.testing.journals.stage import Heard, JournalTests, claimed, ended, lines, refused, seqs, started, until
from protocol.messages import Event
from protocol.states import RunStatus

__all__ = ["Writing"]


class Writing(JournalTests):
    """`append_nowait`, its ticket, and what is published."""

    async def test_a_ticket_is_durability(self) -> None:
        """Awaited, the append can be read; from then on the ticket is done, for anybody, without a checkpoint."""
        async with self.opened() as journal:
            ticket = journal.append_nowait(await claimed(journal), [started(), *lines(2, 3)])
            await ticket
            assert ticket.done
            assert journal.statistics().uncommitted == 0
            with assert_no_checkpoints():
                await ticket
            assert await seqs(journal) == [1, 2, 3]

    async def test_a_ticket_is_awaited_by_many_or_by_nobody(self) -> None:
        """Each who awaits it goes on; that nobody does changes nothing."""
        async with self.opened() as journal:
            claim = await claimed(journal)
            journal.append_nowait(claim, [started()])
            ticket = journal.append_nowait(claim, lines(2, 2))
            async with trio.open_nursery() as nursery:
                for _ in range(5):
                    nursery.start_soon(_awaited, ticket)
            assert await seqs(journal) == [1, 2]

    async def test_a_cancelled_wait_changes_nothing(self) -> None:
        """Who waited is gone, what was handed over becomes durable all the same."""
        async with self.opened() as journal:
            ticket = journal.append_nowait(await claimed(journal), [started()])
            with trio.CancelScope() as scope:
                scope.cancel()
                await ticket
            await ticket
            assert await seqs(journal) == [1]

    async def test_what_is_handed_over_is_never_split_by_a_cancel(self) -> None:
        """It is one synchronous call, also in a scope that is cancelled."""
        async with self.opened() as journal:
            claim = await claimed(journal)
            with trio.CancelScope() as scope, assert_no_checkpoints():  # noqa: ASYNC100  there is nothing to cancel
                scope.cancel()
                ticket = journal.append_nowait(claim, [started(), *lines(2, 50)], [("k", 1)])
            await ticket
            assert await seqs(journal) == list(range(1, 51))
            assert (await journal.load("r1")).notes == {"k": 1}

    @pytest.mark.parametrize(
        "events",
        [
            pytest.param(lines(3, 3), id="a gap"),
            pytest.param(lines(1, 1), id="a seq that was given to something else"),
            pytest.param([*lines(2, 2), *lines(4, 4)], id="a gap inside"),
            pytest.param([started(), *lines(2, 2)], id="half of it is there"),
            pytest.param(lines(2, 2, run_id="r9"), id="another run"),
            pytest.param(lines(0, 0), id="before the first"),
        ],
    )
    async def test_a_batch_that_is_not_next_is_a_gap(self, events: list[Event]) -> None:
        """Anything but the run's next events raises; nothing of it is stored or told, and the run goes on."""
        async with self.opened() as journal:
            journal.attach(heard := Heard(journal))
            claim = await claimed(journal)
            await journal.append_nowait(claim, [started()])
            with pytest.raises(Gap):
                await refused(journal, claim, events, [("k", 1)], close=RunStatus.FAILED)
            page = await journal.load("r1")
            assert (page.last_seq, page.notes, page.closed) == (1, {}, None)
            await journal.append_nowait(claim, lines(2, 2))
            assert await seqs(journal) == [1, 2]
            await until(lambda: heard.seqs() == [1, 2])
            assert heard.notes() == []

    async def test_a_repeated_batch_is_done_already(self) -> None:
        """The same events under the same claim, in the middle or after the end, are no error and no second commit."""
        async with self.opened() as journal:
            journal.attach(heard := Heard(journal))
            claim = await claimed(journal)
            for _ in range(2):
                await journal.append_nowait(claim, [started(), *lines(2, 2)], [("k", 1)])
            for _ in range(2):
                await journal.append_nowait(claim, [ended(3)], close=RunStatus.COMPLETED)
            await journal.append_nowait(claim, [started(), *lines(2, 2)], [("k", 1)])
            assert await seqs(journal) == [1, 2, 3]
            assert journal.statistics().events == 3
            await until(lambda: heard.seqs() == [1, 2, 3])
            assert heard.notes() == [("k", 1)]

    async def test_a_repeat_behind_an_append_that_is_not_durable_yet_is_done_with_it(self) -> None:
        """Nobody has to wait for the first one before it is said again."""
        async with self.opened() as journal:
            journal.attach(heard := Heard(journal))
            claim = await claimed(journal)
            tickets = [journal.append_nowait(claim, [started()]) for _ in range(3)]
            for ticket in tickets:
                await ticket
            assert await seqs(journal) == [1]
            await until(lambda: heard.seqs() == [1])

    async def test_a_closed_run_takes_nothing_more(self) -> None:
        """After the ending neither events nor notes nor another ending, and nothing at all from anybody else."""
        async with self.opened() as journal:
            claim = await claimed(journal)
            await journal.append_nowait(claim, [started(), ended(2)], [("k", 1)], close=RunStatus.COMPLETED)
            with pytest.raises(Fenced):
                await refused(journal, claim, lines(3, 3))
            with pytest.raises(Fenced):
                await refused(journal, claim, [], [("k", 2)])
            with pytest.raises(Fenced):
                await refused(journal, claim, [ended(3, error="it broke")], close=RunStatus.FAILED)
            with pytest.raises(Fenced):
                await refused(journal, Claim("r1", claim.token, "somebody else"), [started(), ended(2)])
            page = await journal.load("r1")
            assert (page.last_seq, page.notes, page.closed) == (2, {"k": 1}, RunStatus.COMPLETED)

    async def test_what_is_refused_takes_nothing_with_it(self) -> None:
        """Of appends handed over together only the bad ones fail; what fits is committed, before them and after."""
        outcomes: list[str] = []
        async with self.opened() as journal:
            good, other = await claimed(journal), await claimed(journal, "r2", "w2")
            handed = [
                partial(journal.append_nowait, good, [started()]),
                partial(journal.append_nowait, good, lines(7, 7), [("bad", 1)]),
                partial(journal.append_nowait, other, [started("r2", "w2")]),
                partial(journal.append_nowait, good, lines(2, 3), [("good", 1)]),
            ]
            tickets: list[Ticket | JournalError] = []
            for append in handed:
                try:
                    tickets.append(append())
                except JournalError as error:
                    tickets.append(error)
            for ticket in tickets:
                if isinstance(ticket, JournalError):
                    outcomes.append(ticket.code)
                    continue
                try:
                    await ticket
                    outcomes.append("done")
                except JournalError as error:
                    outcomes.append(error.code)
            assert outcomes == ["done", "gap", "done", "done"]
            assert (await seqs(journal), await seqs(journal, "r2")) == ([1, 2, 3], [1])
            assert (await journal.load("r1")).notes == {"good": 1}

    async def test_batches_are_published_in_order_with_their_notes(self) -> None:
        """Every committed event and note once, in the order of the appends, an append's notes with its events."""
        async with self.opened() as journal:
            journal.attach(heard := Heard(journal))
            claim, other = await claimed(journal), await claimed(journal, "r2", "w2")
            journal.append_nowait(claim, [started()], [("a", 1)])
            journal.append_nowait(other, [started("r2", "w2")])
            journal.append_nowait(claim, [], [("b", None), ("a", {"deep": [1]})])
            for seq in range(2, 40):
                journal.append_nowait(claim, lines(seq, seq))
            await journal.append_nowait(claim, [ended(40)], [("a", None)], close=RunStatus.COMPLETED)
            await until(lambda: heard.seqs() == list(range(1, 41)))
            assert heard.seqs("r2") == [1]
            assert heard.notes() == [("a", 1), ("b", None), ("a", {"deep": [1]}), ("a", None)]
            (first,) = [batch for batch in heard.batches if batch[0] == "r1" and 1 in batch[1]]
            assert ("a", 1) in first[2]
            (last,) = [batch for batch in heard.batches if 40 in batch[1]]
            assert last[2][-1] == ("a", None)

    async def test_nothing_is_published_before_it_is_durable(self) -> None:
        """When the listener hears a batch, it counts as committed and can be read."""
        async with self.opened() as journal:
            journal.attach(heard := Heard(journal))
            claim = await claimed(journal)
            for seq in range(1, 20):
                ticket = journal.append_nowait(claim, [started()] if seq == 1 else lines(seq, seq))
                assert ticket.done or len(heard.batches) == seq - 1
                await until(lambda seq=seq: len(heard.batches) == seq)  # type: ignore[misc]  # binds the loop's seq
                assert (await journal.load("r1")).last_seq == seq
                await ticket
            assert set(heard.uncommitted) == {0}

    async def test_attach_changes_who_hears(self) -> None:
        """Only the listener that is attached when a batch is committed hears it; None is nobody."""
        async with self.opened() as journal:
            journal.attach(early := Heard(journal))
            claim = await claimed(journal)
            await journal.append_nowait(claim, [started()])
            await until(lambda: early.seqs() == [1])
            journal.attach(None)
            await journal.append_nowait(claim, lines(2, 2))
            journal.attach(late := Heard(journal))
            await journal.append_nowait(claim, lines(3, 3))
            await until(lambda: late.seqs() == [3])
            assert early.seqs() == [1]

    async def test_many_runs_are_written_at_once(self) -> None:
        """Some wait for each ticket and some for none; each run is whole and in order."""
        async with self.opened() as journal:

            async def tell(number: int) -> None:
                run_id, workflow_id = f"r{number}", f"w{number}"
                claim = await claimed(journal, run_id, workflow_id)
                ticket = journal.append_nowait(claim, [started(run_id, workflow_id)])
                seq = 2
                for size in (1, 7, 2, 30, 1):
                    ticket = journal.append_nowait(claim, lines(seq, seq + size - 1, run_id, workflow_id))
                    seq += size
                    if number % 2:
                        await ticket
                await ticket

            async with trio.open_nursery() as nursery:
                for number in range(20):
                    nursery.start_soon(tell, number)
            for number in range(20):
                assert await seqs(journal, f"r{number}") == list(range(1, 43))
            assert journal.statistics().events == 20 * 42

    async def test_a_journal_says_whether_it_can_write(self) -> None:
        """`degraded` is None while all is well, and waiting for a change of that can be cancelled."""
        async with self.opened() as journal:
            assert journal.durable is self.durable
            assert journal.degraded is None
            with trio.move_on_after(0) as scope:
                await journal.health_changed()
            assert scope.cancelled_caught


async def _awaited(ticket: Ticket) -> None:
    await ticket
    await trio.lowlevel.checkpoint()
