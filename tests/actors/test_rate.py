"""Bucket: a burst passes, a flood is told once, patience ends."""

import trio

from actors.rate import Bucket, Taken


def bucket() -> Bucket:
    """Ten in a burst, five a second, two seconds of patience."""
    return Bucket(10, refill=5, patience=2)


async def test_a_burst_passes_and_one_refusal_is_told(autojump_clock):
    """After the burst exactly one message is told that it was refused."""
    seen = [(bucket_ := bucket()).take()]
    seen += [bucket_.take() for _ in range(999)]
    assert seen == [Taken.PASSED] * 10 + [Taken.REFUSED_FIRST] + [Taken.REFUSED] * 989


async def test_a_steady_peer_below_the_rate_is_never_refused(autojump_clock):
    """Five a second for a minute."""
    b = bucket()
    for _ in range(300):
        assert b.take() is Taken.PASSED
        await trio.sleep(0.2)


async def test_a_peer_that_pauses_is_forgiven(autojump_clock):
    """After a second's worth came back a new refusal is told anew."""
    b = bucket()
    for _ in range(12):
        b.take()
    await trio.sleep(1)
    assert [b.take() for _ in range(7)] == [Taken.PASSED] * 5 + [Taken.REFUSED_FIRST, Taken.REFUSED]


async def test_a_peer_that_goes_on_runs_out_of_patience(autojump_clock):
    """Ten a second is twice the rate: half of it passes, and after two seconds over it, it is enough."""
    b = bucket()
    for _ in range(11):
        b.take()
    seen = []
    while Taken.OUT_OF_PATIENCE not in seen:
        await trio.sleep(0.1)
        seen.append(b.take())
        assert len(seen) < 100
    assert len(seen) in (20, 21)
    assert Taken.PASSED in seen
    assert Taken.REFUSED_FIRST not in seen
