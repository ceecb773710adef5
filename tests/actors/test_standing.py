"""What is kept of a peer that is away: written and read back, and of several that can not be told apart."""

from actors.interests import EVERYWHERE, Interest, Interests
from actors.standing import Standing
from protocol.dialects.text import dumps, loads


def interests() -> Interests:
    """Of every scope something."""
    wanted = Interests()
    wanted.add("w1", ["log", "progress"], lossless=True)
    wanted.add(EVERYWHERE, ["log", "odd"], lossless=False)
    wanted.add("w2", None, lossless=False)
    wanted.want_run("r1")
    return wanted


def test_a_standing_that_was_written_down_is_the_same_when_it_is_read():
    """Interests of all scopes, the types in the order of asking, positions, and the time."""
    before = Standing(interests=interests(), positions={"r1": 7, "r2": 0}, at=1000.5)
    after = Standing.unpack(loads(dumps(before.pack())))
    assert (after.positions, after.at, after.interests.asked) == (
        {"r1": 7, "r2": 0},
        1000.5,
        ("log", "progress", "odd"),
    )
    for run_id, workflow_id in (("r1", "w1"), ("r2", "w1"), ("r3", "w2"), ("r4", "w3")):
        assert after.interests.of(run_id=run_id, workflow_id=workflow_id) == before.interests.of(
            run_id=run_id, workflow_id=workflow_id
        )
    after.interests.remove(EVERYWHERE, None)
    assert after.interests.asked == ("log", "progress")


def test_the_standing_of_two_misses_nothing_of_either():
    """The lower position of each run, whatever one of them wanted, the earlier time."""
    other = Interests()
    other.add("w3", ["log"], lossless=False)
    one = Standing(interests=interests(), positions={"r1": 7, "r2": 3}, at=20.0)
    two = Standing(interests=other, positions={"r1": 5, "r3": 9}, at=10.0)
    both = one | two
    assert (both.positions, both.at) == ({"r1": 5, "r2": 3, "r3": 9}, 10.0)
    assert both.interests.of(run_id="r9", workflow_id="w3") == Interest(frozenset({"log", "odd"}))
    assert one.positions == {"r1": 7, "r2": 3}
    assert one.interests.of(run_id="r1", workflow_id="w3") == interests().of(run_id="r1", workflow_id="w3")


def test_a_copy_of_interests_is_independent():
    """A standing is a value: what its connection does later changes nothing in it."""
    original = interests()
    copy = original.copy()
    original.remove("w1", None)
    original.remove_run("r1")
    assert copy.of(run_id="r1", workflow_id="w1") == interests().of(run_id="r1", workflow_id="w1")
    assert copy.asked == interests().asked
