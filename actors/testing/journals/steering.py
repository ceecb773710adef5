"""How a server that does not execute a run reaches the one that does; and what is kept of a peer's session."""

import pytest

from actors.errors import JournalError
from actors.journal import Claim, ControlEntry, Journal
from actors.testing.journals.stage import FOREVER_SECONDS, JournalTests, claimed, over

__all__ = ["Steering"]


class Steering(JournalTests):
    """`control` and what `renew` hands over; `put_session`, `get_session`, `list_sessions`."""

    async def test_commands_are_handed_over_in_order_and_once(self) -> None:
        """With the next renewal of the run's claim; numbers count from 1."""
        async with self.opened() as journal:
            claim = await claimed(journal)
            other = await claimed(journal, "r2", "w2")
            assert await journal.control("r1", "k1", b"pause") == 1
            assert await journal.control("r1", "k2", b"\x00resume") == 2
            assert await journal.control("r2", "k1", b"stop") == 1
            assert await _handed(journal, claim) == [
                ControlEntry("r1", 1, "k1", b"pause"),
                ControlEntry("r1", 2, "k2", b"\x00resume"),
            ]
            assert await _handed(journal, claim) == []
            assert await journal.control("r1", "k3", b"stop") == 3
            assert await _handed(journal, claim, other) == [
                ControlEntry("r1", 3, "k3", b"stop"),
                ControlEntry("r2", 1, "k1", b"stop"),
            ]

    async def test_the_same_key_is_one_command(self) -> None:
        """Said again, before it was handed over or after, it has its number and changes nothing."""
        async with self.opened() as journal:
            claim = await claimed(journal)
            assert await journal.control("r1", "k1", b"pause") == 1
            assert await journal.control("r1", "k1", b"other") == 1
            assert await _handed(journal, claim) == [ControlEntry("r1", 1, "k1", b"pause")]
            assert await journal.control("r1", "k1", b"pause") == 1
            assert await _handed(journal, claim) == []
            assert await journal.control("r1", "k2", b"resume") == 2

    async def test_a_new_claim_is_handed_all_of_them_again(self) -> None:
        """Whoever had them may not have done them; the one who lost the run is handed nothing more."""
        async with self.opened() as journal:
            old = await claimed(journal)
            await journal.control("r1", "k1", b"pause")
            assert [entry.number for entry in await _handed(journal, old)] == [1]
            await journal.renew([old], lease=0)
            await journal.claimable()
            (new,) = await journal.claim(lease=FOREVER_SECONDS)
            await journal.control("r1", "k2", b"resume")
            renewed = await journal.renew([old], lease=FOREVER_SECONDS)
            assert (list(renewed.lost), list(renewed.controls)) == ([old], [])
            assert [entry.number for entry in await _handed(journal, new)] == [1, 2]
            assert await _handed(journal, new) == []

    async def test_an_ended_run_takes_no_command(self) -> None:
        """Who asks is told, instead of waiting for what nobody will do."""
        async with self.opened() as journal:
            await over(journal, "r1", "w1")
            with pytest.raises(JournalError):
                await journal.control("r1", "k", b"pause")

    async def test_a_session_is_kept_until_it_is_forgotten(self) -> None:
        """The last body counts, to the byte; None forgets it, once or twice."""
        async with self.opened() as journal:
            assert await journal.get_session("s1") is None
            assert list(await journal.list_sessions()) == []
            await journal.put_session("s1", b"first")
            await journal.put_session("s1", bytes(range(256)))
            await journal.put_session("s2", b"")
            assert await journal.get_session("s1") == bytes(range(256))
            assert sorted(await journal.list_sessions()) == [("s1", bytes(range(256))), ("s2", b"")]
            for _ in range(2):
                await journal.put_session("s1", None)
            assert await journal.get_session("s1") is None
            assert list(await journal.list_sessions()) == [("s2", b"")]
            assert journal.statistics().sessions == 1


async def _handed(journal: Journal, *claims: Claim) -> list[ControlEntry]:
    """What a renewal hands over."""
    renewed = await journal.renew(claims, lease=FOREVER_SECONDS)
    assert list(renewed.lost) == []
    return list(renewed.controls)
