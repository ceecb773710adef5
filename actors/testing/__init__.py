"""Public: what the authors of nodes and extensions hold their work against. No server imports it.

`chaos` tries a scenario with a fault at every point, and `memory_server` is a whole server with its clients in memory;
see there. `JournalConformance` and `DurableJournalConformance` are the promises of `actors.journal.Journal`, one test
each; see `actors.testing.journals`. These two are imported when they are first used: they need pytest and pytest-trio,
which the rest does without.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from actors.testing.journals import DurableJournalConformance, JournalConformance

__all__ = ["DurableJournalConformance", "JournalConformance"]


def __getattr__(name: str) -> object:
    """A conformance suite, imported on first use."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import pytest

    # Before the import: a failed assertion of these modules then shows its values, as one in a test file does.
    pytest.register_assert_rewrite("actors.testing.journals")
    value = getattr(import_module("actors.testing.journals"), name)
    globals()[name] = value
    return value
