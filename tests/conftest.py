"""What holds for all tests.

Hypothesis judges what comes out, never how long it took on a busy machine. Ctrl-C is what it is at a terminal, also
where the tests run in the background of a shell, which lets everything that it starts there ignore it.
"""

import os
import signal

from hypothesis import settings

from tests.npm import npm, pytest_collection_finish, pytest_configure, pytest_sessionfinish

__all__ = ["npm", "pytest_collection_finish", "pytest_configure", "pytest_sessionfinish"]

settings.register_profile("callboard", deadline=None, print_blob=True)
settings.register_profile("ci", parent=settings.get_profile("callboard"), derandomize=True)
# In CI a failure has to be about the change: random search is for the machines of those who write.
settings.load_profile("ci" if os.environ.get("CI") else "callboard")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
