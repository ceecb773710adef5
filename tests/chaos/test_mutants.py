"""The mutants of `python -m tests.chaos.mutants` can still be planted; who finds them takes minutes, and is run by hand."""

import pytest

from tests.chaos import test_sweep
from tests.chaos.mutants import MUTANTS, ROOT, edited


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_is_not_stale(mutant):
    """What it replaces is there, once; what comes of it is Python; and what should find it exists."""
    for name in mutant.edits:
        compile(edited(mutant, name), name, "exec")
    for test in mutant.sweep:
        function, _, scenario = test.removesuffix("]").partition("[")
        assert hasattr(test_sweep, function)
        assert scenario in test_sweep.SCENARIOS
    assert all((ROOT / test).is_file() for test in mutant.tests)
