"""The seal: two runs that draw the same, and a process that is as it was."""

import gc
import os
import random
import secrets
import uuid
from typing import Any

import pytest

from actors.testing.chaos.seal import sealed

RANDOM: Any = random


def drawn():
    """From every source there is."""
    return (
        random.random(),
        random.Random().random(),
        random.SystemRandom().random(),
        os.urandom(8),
        secrets.token_urlsafe(12),
        secrets.randbits(32),
        uuid.uuid4(),
    )


def test_whoever_draws_gets_the_same():
    """Each time, from every source; with another seed, something else from each."""
    runs = []
    for seed in 0, 0, 1:
        with sealed(seed):
            runs.append((drawn(), drawn()))
    assert runs[0] == runs[1]
    assert not set(runs[0][0]) & set(runs[2][0])
    assert not set(runs[0][0]) & set(runs[0][1])


def test_a_seed_that_is_given_counts():
    """A source that was seeded draws what it always does."""
    expected = random.Random(3).random()
    with sealed():
        assert random.Random(3).random() == expected


def test_no_garbage_is_collected():
    """A finalizer would run wherever the collector happens to look."""
    with sealed():
        assert not gc.isenabled()
    assert gc.isenabled()


def test_all_is_as_it_was():
    """Also after an error: names, and the place in the global source."""
    random.seed(1)
    random.random()
    before = os.urandom, RANDOM._urandom, random.Random.seed, random.getstate()
    with pytest.raises(ZeroDivisionError), sealed():
        drawn()
        raise ZeroDivisionError
    assert before == (os.urandom, RANDOM._urandom, random.Random.seed, random.getstate())
    assert drawn() != drawn()
