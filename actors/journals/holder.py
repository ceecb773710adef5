"""The lock beside a journal's file: one process at a time holds it, and whoever comes second is told who that is.

Theory of operation: `flock` belongs to the open file, so the kernel lets go of it when its process ends, however it
ends; nothing has to be cleaned up after a crash. The file is never removed: two processes could then hold a lock each,
on a file of the same name. What is written in it is for people and may be old: only the lock itself counts.
"""

import fcntl
import os
import socket
import time
from pathlib import Path
from typing import Final

import orjson

from actors.errors import JournalError

__all__ = ["Holder"]

TOLD_BYTES: Final = 4096
"""What is read of a lock file."""


class Holder:
    """Holds the lock of a file from its creation until `release`.

    Args:
        path: the file; the lock is beside it.

    Raises:
        JournalError: another process holds it; the text names that one.
        OSError: the lock can not be made.
    """

    def __init__(self, path: Path) -> None:
        lock = path.with_name(f"{path.name}.lock")
        self._file = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            told = os.read(self._file, TOLD_BYTES)
            os.close(self._file)
            raise JournalError(f"the journal {path} is in use by {_who(told)}; it has one process at a time") from None
        except BaseException:
            os.close(self._file)
            raise
        self._tell({"pid": os.getpid(), "host": socket.gethostname(), "since": time.time()})

    def release(self) -> None:
        """Let the next one have it."""
        self._tell(None)
        os.close(self._file)

    def _tell(self, about: dict[str, object] | None) -> None:
        try:
            os.ftruncate(self._file, 0)
            if about is not None:
                os.pwrite(self._file, orjson.dumps(about), 0)
        except OSError:
            # A full disk: then the second one is told less. The lock holds all the same.
            pass


def _who(told: bytes) -> str:
    try:
        about = orjson.loads(told)
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(about["since"]))
        return f"process {about['pid']} on {about['host']}, since {since}"
    except (KeyError, TypeError, ValueError):
        return "another process"
