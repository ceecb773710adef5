"""The conformance suite of journals: each promise of `actors.journal.Journal` is a test, its docstring the promise.

The author of a journal makes a subclass in a test file; pytest does the rest:

    class TestMyJournal(DurableJournalConformance):
        @pytest.fixture(autouse=True)
        def place(self, tmp_path):
            self.path = tmp_path / "runs"

        def open(self):
            return MyJournal(self.path)

`DurableJournalConformance` is for a journal whose runs outlive it: `open` opens the same store again each time. For one
that is gone with its process there is `JournalConformance`. pytest-trio has to be installed; `trio_mode` is not needed.

Theory of operation: the tests wait for conditions and never for time, but for the few in which a lease has to pass:
these ask for the fixture `clock`. A journal that waits for nothing outside of trio may override it with a virtual one;
any other runs in real time, and its `lease` says how long a short lease is. Each test has an empty store and is given
up after `patience` seconds. The tests know nothing of a journal but its contract: what it knows at once it may raise
at once, what it finds out later it may raise from the ticket.
"""

from actors.testing.journals.claiming import Claiming
from actors.testing.journals.closing import Closing
from actors.testing.journals.creating import Creating
from actors.testing.journals.following import Following
from actors.testing.journals.forgetting import Forgetting
from actors.testing.journals.listing import Listing
from actors.testing.journals.reading import Reading
from actors.testing.journals.reopening import Reopening
from actors.testing.journals.steering import Steering
from actors.testing.journals.writing import Writing

__all__ = ["DurableJournalConformance", "JournalConformance"]


class JournalConformance(Creating, Claiming, Writing, Reading, Following, Listing, Steering, Forgetting, Closing):
    """What every journal promises. Subclass it, and say how to `open` yours."""

    durable = False


class DurableJournalConformance(Reopening, JournalConformance):
    """What a journal promises that outlives its process: all of `JournalConformance`, also after it was reopened."""

    durable = True
