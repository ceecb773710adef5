"""What a durable journal holds after it was closed and opened again: everything."""

import pytest
import trio

from actors.errors import Fenced, Gap, JournalError, UnknownRun
from actors.journal import Claim, Journal, Keep
from actors.testing.journals.reading import EVENTS
from actors.testing.journals.stage import (
    BEGAN,
    FOREVER_SECONDS,
    JournalTests,
    claimed,
    ended,
    lines,
    over,
    refused,
    seqs,
    started,
)
from protocol.states import RunStatus

__all__ = ["Reopening"]


class Reopening(JournalTests):
    """A second `open` of the same store. The process is the same; that one may be killed is for a test of its own."""

    async def test_every_run_is_there(self) -> None:
        """Events, notes, specs, rows and figures are what they were, for ended runs and for open ones."""
        async with self.opened() as journal:
            claim = await claimed(journal)
            await journal.append_nowait(claim, EVENTS, [("k", {"deep": [1]}), ("gone", 1)])
            await journal.append_nowait(claim, [], [("gone", None)])
            await over(journal, "r2", "w2")
            await journal.create("r3", "w2", bytes(range(256)), created_at=BEGAN)
            before, figures = await journal.list_runs(), journal.statistics()
        async with self.opened() as journal:
            page = await journal.load("r1")
            assert list(page.events) == list(EVENTS)
            assert (page.notes, page.last_seq, page.closed) == ({"k": {"deep": [1]}}, len(EVENTS), None)
            assert (await journal.load("r2")).closed is RunStatus.COMPLETED
            assert await journal.spec("r3") == bytes(range(256))
            assert (await journal.find("w1"), await journal.find("w2")) == ("r1", "r3")
            assert await journal.list_runs() == before
            assert journal.statistics() == figures

    async def test_what_nobody_awaited_is_there(self) -> None:
        """Closing made it durable, also when the context was left by a cancel."""
        async with self.opened() as journal:
            claim = await claimed(journal)
            journal.append_nowait(claim, [started()])
            for seq in range(2, 100):
                journal.append_nowait(claim, lines(seq, seq))
        with trio.CancelScope() as scope:
            async with self.opened() as journal:
                claim = await _claim(journal)
                scope.cancel()
                journal.append_nowait(claim, lines(100, 150))
                await trio.sleep_forever()
        async with self.opened() as journal:
            assert await seqs(journal) == list(range(1, 151))

    async def test_an_open_run_goes_on_under_a_new_claim(self) -> None:
        """With a higher token each time; the next seq is the next one, and whoever wrote before is fenced."""
        claims: list[Claim] = []
        async with self.opened() as journal:
            claims.append(await claimed(journal, lease=self.lease))
            await journal.append_nowait(claims[-1], [started()])
        for seq in (2, 3, 4):
            async with self.opened() as journal:
                claims.append(await _claim(journal, lease=self.lease))
                assert claims[-1].token > claims[-2].token
                for old in claims[:-1]:
                    with pytest.raises(Fenced):
                        await refused(journal, old, lines(seq, seq))
                with pytest.raises(Gap):
                    await refused(journal, claims[-1], lines(seq + 1, seq + 1))
                await journal.append_nowait(claims[-1], lines(seq, seq))
                assert await seqs(journal) == list(range(1, seq + 1))
        assert len({claim.owner for claim in claims}) == len(claims)

    async def test_the_queue_of_a_run_is_kept(self) -> None:
        """And open runs are claimed oldest first, as before."""
        async with self.opened() as journal:
            for number, queue in enumerate(("a", "", "a")):
                await journal.create(f"r{number}", f"w{number}", b"{}", created_at=BEGAN, queue=queue)
        async with self.opened() as journal:
            await journal.claimable(("a",))
            assert [claim.run_id for claim in await journal.claim(("a",), lease=FOREVER_SECONDS)] == ["r0", "r2"]

    async def test_an_ended_run_stays_ended(self) -> None:
        """It is not claimable, takes neither appends nor commands, and leaves room for the next of its workflow."""
        async with self.opened() as journal:
            claim = await claimed(journal)
            await journal.append_nowait(claim, [started(), ended(2)], close=RunStatus.COMPLETED)
        async with self.opened() as journal:
            assert not await journal.claim(lease=FOREVER_SECONDS)
            with pytest.raises(Fenced):
                await refused(journal, claim, lines(3, 3))
            with pytest.raises(JournalError):
                await journal.control("r1", "k", b"stop")
            assert not (await journal.create("r1", "w1", b"{}", created_at=BEGAN)).fresh
            assert (await journal.create("r2", "w1", b"{}", created_at=BEGAN)).fresh

    async def test_a_workflow_still_has_one_open_run(self) -> None:
        """The open run stands in the way of another, as before."""
        async with self.opened() as journal:
            await claimed(journal)
        async with self.opened() as journal:
            second = await journal.create("r2", "w1", b"{}", created_at=BEGAN)
            assert (second.run_id, second.fresh) == ("r1", False)

    async def test_new_runs_are_listed_before_the_old_ones(self) -> None:
        """Their order goes on where it was, and so does a cursor."""
        async with self.opened() as journal:
            for number in range(4):
                await over(journal, f"r{number}", "w1")
            page = await journal.list_runs(limit=2)
        async with self.opened() as journal:
            await over(journal, "r4", "w1")
            rest = await journal.list_runs(cursor=page.next_cursor)
            assert [row.run_id for row in rest.runs] == ["r1", "r0"]
            assert [row.run_id for row in (await journal.list_runs(limit=2)).runs] == ["r4", "r3"]

    async def test_commands_wait_for_who_claims_the_run(self) -> None:
        """Those that were handed to a claim before are handed to the new one again; keys and numbers go on."""
        async with self.opened() as journal:
            claim = await claimed(journal, lease=self.lease)
            await journal.control("r1", "k1", b"pause")
            assert len((await journal.renew([claim], lease=self.lease)).controls) == 1
            await journal.control("r1", "k2", b"resume")
        async with self.opened() as journal:
            claim = await _claim(journal)
            assert await journal.control("r1", "k2", b"resume") == 2
            assert await journal.control("r1", "k3", b"stop") == 3
            controls = (await journal.renew([claim], lease=FOREVER_SECONDS)).controls
            assert [(entry.number, entry.key, entry.body) for entry in controls] == [
                (1, "k1", b"pause"),
                (2, "k2", b"resume"),
                (3, "k3", b"stop"),
            ]

    async def test_sessions_are_there(self) -> None:
        """As they were put last; one that was forgotten stays so."""
        async with self.opened() as journal:
            await journal.put_session("s1", b"\x00\xff")
            await journal.put_session("s2", b"x")
            await journal.put_session("s2", None)
        async with self.opened() as journal:
            assert list(await journal.list_sessions()) == [("s1", b"\x00\xff")]
            assert await journal.get_session("s2") is None

    async def test_what_was_trimmed_stays_forgotten(self) -> None:
        """And is not found by anything."""
        async with self.opened() as journal:
            await over(journal, "r1", "w1")
            await journal.trim(Keep(runs=0))
        async with self.opened() as journal:
            with pytest.raises(UnknownRun):
                await journal.load("r1")
            assert await journal.find("w1") is None
            assert (journal.statistics().runs, journal.statistics().events) == (0, 0)


async def _claim(journal: Journal, *, lease: float = FOREVER_SECONDS) -> Claim:
    """Take over the one open run, as soon as whoever had it is past its lease."""
    while True:
        await journal.claimable()
        if claims := await journal.claim(lease=lease):
            (claim,) = claims
            return claim
