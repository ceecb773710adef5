"""A feed: whatever comes, what goes in is the next seq; and full is full."""

import pytest
import trio

from actors.errors import HistoryLost
from actors.feed import ROOM, Feed, Place, let_take
from protocol.messages import Logged, RunEnded, Summary
from protocol.states import RunStatus


def line(seq):
    """A line of the log."""
    return Logged(run_id="r", workflow_id="w", seq=seq, at=0.0, level="info", message="")


def ending(seq):
    """The last event."""
    summary = Summary(
        status=RunStatus.COMPLETED,
        duration=0.0,
        total_nodes=0,
        succeeded=0,
        failed=0,
        skipped=0,
        not_begun=0,
        started_at=0.0,
        ended_at=0.0,
    )
    return RunEnded(
        run_id="r", workflow_id="w", seq=seq, at=0.0, status=RunStatus.COMPLETED, message="", summary=summary
    )


def popped(feed):
    """The seqs of all that waits."""
    return [feed.pop().seq for _ in range(len(feed))]


@pytest.mark.parametrize(
    ("place", "in_step"), [(Place.STARTING, True), (Place.ASKED, True), (Place.FOLLOWING, False)], ids=lambda it: it
)
def test_a_repeat_is_dropped_and_a_gap_is_told_once_nothing_may_be_left_out(place, in_step):
    """Until a subscription is confirmed, what was on its way may come; afterwards a gap is a gap."""
    feed = Feed(2, place)
    assert feed.take(line(1))
    assert feed.take(line(3))
    assert feed.take(line(3))
    assert feed.take(line(6)) is in_step
    assert feed.take(line(4))
    assert (popped(feed), feed.last) == ([3, 4], 4)
    assert feed.pop() is None


def test_what_finds_no_room_is_dropped_until_it_is_asked_for_again():
    """Also what would fit later: it is not the next one any more, once one was dropped."""
    feed = Feed(0, Place.FOLLOWING)
    for seq in range(1, ROOM + 4):
        assert feed.take(line(seq))
    assert (feed.place, feed.last, feed.dropped, feed.stalled) == (Place.FULL, ROOM, 3, False)
    while feed.crowded:
        feed.pop()
    assert feed.stalled
    assert feed.take(line(ROOM + 1))
    assert (feed.last, feed.place) == (ROOM, Place.FULL)
    feed.place = Place.ASKED
    feed.take(line(ROOM + 1))
    assert feed.last == ROOM + 1


def test_behind_the_ending_there_is_nothing():
    """Whatever the server says."""
    feed = Feed(0, Place.FOLLOWING)
    feed.take(ending(1))
    assert feed.place is Place.ENDED
    assert feed.take(line(9))
    assert popped(feed) == [1]


def test_it_is_behind_until_the_newest_of_its_confirmation_is_in():
    """So the client knows when it is live; a user who is slow does not count."""
    feed = Feed(3, Place.ASKED)
    assert feed.behind
    feed.confirm(5)
    feed.take(line(4))
    behind = [feed.behind]
    feed.take(line(5))
    behind.append(feed.behind)
    feed.place = Place.FULL
    feed.confirm(9)
    assert behind == [True, False]
    assert (feed.place, feed.behind) == (Place.FULL, False)


@pytest.mark.parametrize(("ended", "place"), [(False, Place.FOLLOWING), (True, Place.ENDED)])
def test_a_loss_is_told_in_its_place(ended, place):
    """Behind the events before it, and before those behind it."""
    feed = Feed(0, Place.ASKED)
    feed.take(line(1))
    feed.interrupt(HistoryLost("gone", run_id="r", after=1))
    assert feed.stalled
    feed.jump(7, ended=ended)
    feed.take(line(8))
    assert feed.pop() == line(1)
    assert isinstance(feed.pop(), HistoryLost)
    assert feed.pop() == (None if ended else line(8))
    assert feed.place is place


async def test_only_quick_users_are_waited_for(autojump_clock):
    """One that takes something each few steps; one that sleeps is left to itself at once."""
    quick, slow = Feed(0, Place.FOLLOWING), Feed(0, Place.FOLLOWING)
    for seq in range(1, ROOM + 1):
        quick.take(line(seq))
        slow.take(line(seq))

    async def take():
        while quick.pop() is not None:
            for _ in range(3):
                await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(take)
        await let_take([quick])
        assert len(quick) == ROOM // 2
    await let_take([slow])
    assert len(slow) == ROOM
    assert trio.current_time() == 0
