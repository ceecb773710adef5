"""Public: what the authors of extensions hold their work against. Needs pytest and pytest-trio; no server imports it.

`JournalConformance` and `DurableJournalConformance` are the promises of `actors.journal.Journal`, one test each; see
`actors.testing.journals`.
"""

import pytest

# Before the import: a failed assertion of these modules then shows its values, as one in a test file does.
pytest.register_assert_rewrite("actors.testing.journals")

from actors.testing.journals import DurableJournalConformance, JournalConformance  # noqa: E402  see above

__all__ = ["DurableJournalConformance", "JournalConformance"]
