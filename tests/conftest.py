"""What holds for all tests: hypothesis judges what comes out, never how long it took on a busy machine."""

import os

from hypothesis import settings

settings.register_profile("callboard", deadline=None, print_blob=True)
settings.register_profile("ci", parent=settings.get_profile("callboard"), derandomize=True)
# In CI a failure has to be about the change: random search is for the machines of those who write.
settings.load_profile("ci" if os.environ.get("CI") else "callboard")
