"""How a run is read: in pages, as it was written, with its notes."""

from typing import Final

import pytest

from actors.testing.journals.stage import BEGAN, JournalTests, claimed, ended, lines, seqs, started
from protocol.messages import Event, Json, Logged, NodeChanged, RunChanged, RunEnded, RunStarted, Waiting
from protocol.states import NodeStatus, RunStatus
from protocol.workflow import Problem

__all__ = ["EVENTS", "Reading"]

VALUE: Final[Json] = {
    "": None,
    "ключ": ["ü", "\u0000", "\U0001f3ad", "line\nbreak", '"quoted"'],
    "numbers": [0, -1, 2**53, 0.1, 1e300, True, False],
    "nested": {"empty": {}, "list": [[], [{}]]},
}
"""What JSON can say."""

EVENTS: Final[tuple[Event, ...]] = (
    RunStarted(
        run_id="r1",
        workflow_id="w1",
        seq=1,
        at=BEGAN + 1 / 3,
        total_nodes=3,
        warnings=(
            Problem(code="unreachable", message="no way here", path="nodes[2]", node_id="n3", severity="warning"),
        ),
    ),
    NodeChanged(
        run_id="r1",
        workflow_id="w1",
        seq=2,
        at=BEGAN + 2,
        node_id="n1",
        status=NodeStatus.RUNNING,
        iteration=(0, 12),
        waiting=Waiting("how many?", schema=VALUE, until=BEGAN + 60),
    ),
    NodeChanged(
        run_id="r1",
        workflow_id="w1",
        seq=3,
        at=BEGAN + 3,
        node_id="n1",
        status=NodeStatus.SUCCESS,
        message="done",
        attempt=2,
        iteration=(0, 12),
        duration=0.1,
        result=VALUE,
        fired=("out", "true"),
        values={"true": VALUE},
    ),
    NodeChanged(
        run_id="r1",
        workflow_id="w1",
        seq=4,
        at=BEGAN + 4,
        node_id="n2",
        status=NodeStatus.ERROR,
        error="it broke",
        code="node_failed",
    ),
    NodeChanged(
        run_id="r1", workflow_id="w1", seq=5, at=BEGAN + 5, node_id="n3", status=NodeStatus.SKIPPED, reason="branch"
    ),
    Logged(
        run_id="r1",
        workflow_id="w1",
        seq=6,
        at=BEGAN + 6,
        level="warn",
        message="a line",
        node_id="n1",
        iteration=(1,),
        context=VALUE,
    ),
    RunChanged(run_id="r1", workflow_id="w1", seq=7, at=BEGAN + 7, status=RunStatus.PAUSING, in_flight=("n1", "n2")),
    RunChanged(run_id="r1", workflow_id="w1", seq=8, at=BEGAN + 8, status=RunStatus.PAUSED, in_flight=()),
    RunChanged(
        run_id="r1",
        workflow_id="w1",
        seq=9,
        at=BEGAN + 9,
        status=RunStatus.FAILING,
        cancelled_by="sibling_failed:n2",
        error="it broke",
        code="node_failed",
        node_id="n2",
    ),
    ended(10, error="it broke"),
)
"""A run with every kind of event, every field in use."""


class Reading(JournalTests):
    """`load`, and what becomes of notes."""

    async def test_events_come_back_as_they_were(self) -> None:
        """Every kind, every field, and whatever JSON can say: equal, and of the same types."""
        async with self.opened() as journal:
            claim = await claimed(journal)
            await journal.append_nowait(claim, EVENTS, [("k", VALUE)], close=RunStatus.FAILED)
            page = await journal.load("r1")
            assert list(page.events) == list(EVENTS)
            assert [type(event) for event in page.events] == [type(event) for event in EVENTS]
            assert page.notes == {"k": VALUE}
            assert (page.last_seq, page.closed) == (10, RunStatus.FAILED)
            node, ending = page.events[2], page.events[-1]
            assert isinstance(node, NodeChanged)
            assert (type(node.status), type(node.iteration), type(node.fired)) == (NodeStatus, tuple, tuple)
            assert isinstance(ending, RunEnded)
            assert type(ending.summary.status) is RunStatus

    async def test_a_run_that_said_nothing_yet_is_an_empty_page(self) -> None:
        """From its creation on it can be read."""
        async with self.opened() as journal:
            await claimed(journal)
            page = await journal.load("r1")
            assert (list(page.events), dict(page.notes), page.last_seq, page.closed) == ([], {}, 0, None)

    async def test_pages_follow_each_other_without_gap_or_repeat(self) -> None:
        """No page is larger than asked for, each names the newest seq, and behind the last there is an empty one."""
        async with self.opened() as journal:
            await journal.append_nowait(await claimed(journal), [started(), *lines(2, 2500)])
            found: list[int] = []
            while (page := await journal.load("r1", after=len(found), limit=700)).events:
                assert len(page.events) <= 700
                assert page.last_seq == 2500
                found += [event.seq for event in page.events]
            assert page.last_seq == 2500
            assert found == list(range(1, 2501))
            assert not (await journal.load("r1", after=9999)).events

    async def test_a_long_run_is_read_like_a_short_one(self) -> None:
        """Two, written side by side over many commits: each is whole, in order, and has nothing of the other."""
        runs = {"r1": "w1", "r2": "w2"}
        async with self.opened() as journal:
            claims = {run_id: await claimed(journal, run_id, workflow_id) for run_id, workflow_id in runs.items()}
            for first in range(1, 12_000, 500):
                tickets = [
                    journal.append_nowait(claims[run_id], lines(first, first + 499, run_id, workflow_id))
                    for run_id, workflow_id in runs.items()
                ]
                for ticket in tickets:
                    await ticket
                (event,) = (await journal.load("r1", after=first - 1, limit=1)).events
                assert event.seq == first
            for run_id in runs:
                assert await seqs(journal, run_id) == list(range(1, 12_001))
                page = await journal.load(run_id, after=11_990)
                assert [event.run_id for event in page.events] == [run_id] * 10

    async def test_the_last_note_of_a_key_wins(self) -> None:
        """None takes a key away, within a batch or later; every other value is kept, however empty."""
        async with self.opened() as journal:
            claim = await claimed(journal)
            empty: list[tuple[str, Json]] = [("zero", 0), ("no", False), ("text", ""), ("list", []), ("deep", [None])]
            await journal.append_nowait(claim, [started()], [("a", 1), ("b", 1), ("c", 1), ("a", 2), *empty])
            await journal.append_nowait(claim, [], [("b", None), ("c", None), ("c", 3), ("never", None)])
            assert (await journal.load("r1")).notes == {"a": 2, "c": 3, **dict(empty)}

    async def test_notes_come_with_the_first_page_only(self) -> None:
        """All of them, as they are now; later pages repeat none of it."""
        async with self.opened() as journal:
            claim = await claimed(journal)
            await journal.append_nowait(claim, [started(), *lines(2, 5)], [("a", 1)])
            await journal.append_nowait(claim, [], [("a", 2)])
            assert (await journal.load("r1", limit=1)).notes == {"a": 2}
            assert (await journal.load("r1", after=1)).notes == {}

    async def test_a_page_stays_as_it_was_read(self) -> None:
        """What is appended later changes no page that somebody holds."""
        async with self.opened() as journal:
            claim = await claimed(journal)
            await journal.append_nowait(claim, [started()], [("a", 1)])
            page = await journal.load("r1")
            await journal.append_nowait(claim, [ended(2)], [("a", 2), ("b", 1)], close=RunStatus.COMPLETED)
            assert (len(page.events), dict(page.notes), page.last_seq, page.closed) == (1, {"a": 1}, 1, None)

    @pytest.mark.parametrize("size", [1, 100])
    async def test_a_page_is_never_ahead_of_its_own_figures(self, size: int) -> None:
        """Read while it is written: events are gapless up to at most `last_seq`, which never goes back."""
        async with self.opened() as journal:
            claim, newest = await claimed(journal), 0
            journal.append_nowait(claim, [started()])
            for first in range(2, 20 * size, size):
                journal.append_nowait(claim, lines(first, first + size - 1))
                page = await journal.load("r1", limit=10_000)
                assert [event.seq for event in page.events] == list(range(1, len(page.events) + 1))
                assert len(page.events) == page.last_seq >= newest
                newest = page.last_seq
