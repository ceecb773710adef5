"""The mutants of `python -m tests.chaos.mutants` can still be planted; who finds them takes minutes, and is run by hand."""

import pytest

from tests.chaos.mutants import MUTANTS, edited


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_is_not_stale(mutant):
    """What it replaces is there, once, and what comes of it is Python."""
    for name, edits in mutant.edits.items():
        compile(edited(mutant, name, edits), name, "exec")
