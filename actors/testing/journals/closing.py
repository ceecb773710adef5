"""What closing a journal does: what was handed over becomes durable, and nobody waits for ever."""

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actors.errors import JournalError
from actors.testing.journals.stage import BEGAN, Heard, JournalTests, claimed, lines, refused, started

__all__ = ["Closing"]


class Closing(JournalTests):
    """Leaving the context of a journal."""

    async def test_what_was_handed_over_becomes_durable(self) -> None:
        """Nobody has awaited the tickets, all of them are done, and the listener has heard everything."""
        async with self.opened() as journal:
            journal.attach(heard := Heard(journal))
            claim = await claimed(journal)
            tickets = [journal.append_nowait(claim, [started()])]
            tickets += [journal.append_nowait(claim, lines(seq, seq)) for seq in range(2, 200)]
        assert all(ticket.done for ticket in tickets)
        for ticket in tickets:
            await ticket
        assert heard.seqs() == list(range(1, 200))

    async def test_a_cancel_does_not_take_away_what_was_handed_over(self) -> None:
        """A context that is left because it was cancelled closes in the same order."""
        with trio.CancelScope() as scope:
            async with self.opened() as journal:
                ticket = journal.append_nowait(await claimed(journal), [started()])
                scope.cancel()
                await trio.sleep_forever()
        assert scope.cancelled_caught
        assert ticket.done

    async def test_an_error_does_not_take_away_what_was_handed_over(self) -> None:
        """A context that is left because of an error passes it on, and closes in the same order."""
        with pytest.raises(ZeroDivisionError):
            async with self.opened() as journal:
                ticket = journal.append_nowait(await claimed(journal), [started()])
                raise ZeroDivisionError
        assert ticket.done

    async def test_a_closed_journal_takes_nothing_more(self) -> None:
        """Whatever would change it is refused."""
        async with self.opened() as journal:
            claim = await claimed(journal)
        with pytest.raises(JournalError):
            await refused(journal, claim, [started()])
        with pytest.raises(JournalError):
            await journal.create("r2", "w2", b"{}", created_at=BEGAN)
        with pytest.raises(JournalError):
            await journal.claim(lease=1)
        with pytest.raises(JournalError):
            await journal.claimable()
        with pytest.raises(JournalError):
            await journal.renew([claim], lease=1)
        with pytest.raises(JournalError):
            await journal.control("r1", "k", b"")
        with pytest.raises(JournalError):
            await journal.put_session("s", b"")

    async def test_who_waits_for_a_run_is_told(self) -> None:
        """There will be none to claim any more."""
        async with trio.open_nursery() as nursery:
            async with self.opened() as journal:

                async def wait() -> None:
                    with pytest.raises(JournalError):
                        await journal.claimable()

                nursery.start_soon(wait)
                await wait_all_tasks_blocked()
            nursery.cancel_scope.deadline = trio.current_time() + self.patience
        assert not nursery.cancel_scope.cancelled_caught
