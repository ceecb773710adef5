"""The files that runs leave behind: one folder a run, names confined to it, each file there whole or not at all.

*Theory of operation.* `open_artifacts` owns the folder above all runs; a temporary one is made when it is needed, and
removed when it closes; a configured one stays. A run's folder is made by its first file. A file is written under a
hidden name, synced and renamed, in a thread, shielded: a cancel comes before or after, never between, and a crash
leaves at most a hidden rest. No file is ever replaced: a second one of the same name gets a number, unless it is the
same to the byte – so an effect that is repeated after a crash leaves one file, and a loop that saves `shot.png` in each
turn leaves every picture.
"""

import functools
import os
import shutil
import tempfile
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final
from urllib.parse import quote

import attrs
import trio

from actors.errors import NodeError
from actors.secrets import quoted

__all__ = ["Artifact", "ArtifactStore", "RunArtifacts", "check_name", "open_artifacts"]

MAX_NAME: Final = 200
"""Bytes of a name: file systems stop at 255, and a number or a hidden prefix must fit too."""

MAX_COPIES: Final = 10_000
"""Files of one run with the same name: as many as a loop has turns."""

_DEVICES: Final = frozenset({"CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$", "CLOCK$"}) | {
    f"{port}{digit}" for port in ("COM", "LPT") for digit in "0123456789¹²³"
}
_HIDDEN: Final = ".part-"


def check_name(name: str) -> str:
    """The name, if it is that of a plain file on any system.

    Raises:
        NodeError: code `bad_name`: empty, too long, hidden, a parent folder, a separator, a control character, a
            character or device that Windows reserves, a dot or space at its end.
    """
    fault = _fault(name)
    if fault:
        raise NodeError(f"{quoted(name, MAX_NAME)} is no name for an artifact: {fault}", code="bad_name")
    return name


@attrs.frozen
class Artifact:
    """A file that a run left."""

    name: str
    size: int
    """Bytes."""
    at: float
    """When it was last written, seconds since the epoch."""


class ArtifactStore:
    """The folders of all runs.

    Args:
        root: above them; None: a temporary one.
    """

    def __init__(self, root: str | None) -> None:
        self._configured = root

    @functools.cached_property
    def root(self) -> Path:
        """Above the folders of all runs. A temporary one is made by the first look at it, never in a thread."""
        return Path(tempfile.mkdtemp(prefix="callboard-") if self._configured is None else self._configured).absolute()

    @property
    def unused(self) -> bool:
        """Whether the folder is a temporary one that nobody has asked for yet."""
        return self._configured is None and "root" not in vars(self)

    def of(self, run_id: str) -> "RunArtifacts":
        """The folder of a run.

        Raises:
            NodeError: code `bad_name`: no folder can be called so.
        """
        return RunArtifacts(self, check_name(quote(run_id, safe=" ")), run_id)

    def find(self, run_id: str, name: str) -> Path:
        """The path of a file that is there, for serving it.

        Raises:
            NodeError: code `bad_name`: it can not be one of ours.
            FileNotFoundError: there is none.
        """
        path = self.of(run_id).folder / check_name(name)
        if path.is_symlink() or not path.is_file():
            raise FileNotFoundError(f"run {run_id} has no artifact {name!r}")
        return path

    async def listed(self, run_id: str) -> tuple[Artifact, ...]:
        """The files that `find` finds, by name. Those of a program that runs may be incomplete."""
        if self.unused:
            await trio.lowlevel.checkpoint()
            return ()
        return await trio.to_thread.run_sync(_listed, self.of(run_id).folder)

    async def remove(self, run_id: str) -> None:
        """Remove all that a run left."""
        if self.unused:
            await trio.lowlevel.checkpoint()
            return
        folder = self.of(run_id).folder
        await trio.to_thread.run_sync(functools.partial(shutil.rmtree, folder, ignore_errors=True))


class RunArtifacts:
    """The folder of one run."""

    def __init__(self, store: ArtifactStore, name: str, run_id: str) -> None:
        self._store = store
        self._name = name
        self._run_id = run_id
        self._turn = threading.Lock()
        """Held in threads only, between finding a free name and taking it."""

    @property
    def folder(self) -> Path:
        """Where its files are."""
        return self._store.root / self._name

    async def save(self, name: str, data: bytes) -> str:
        """Write a file whole; returns the name it got, which has a number if another file has the name.

        Raises:
            NodeError: code `bad_name`: the name is not confined to the folder. Code `artifact_failed`: the disk
                refused.
        """
        check_name(name)
        await trio.lowlevel.checkpoint_if_cancelled()
        try:
            # Bounded by the disk alone; half a file would be worse than a late cancel.
            with trio.CancelScope(shield=True):
                written = await trio.to_thread.run_sync(self._write, self.folder, name, data)
        except OSError as exc:
            raise NodeError(f"artifact {name!r} could not be written: {exc.strerror}", code="artifact_failed") from exc
        return written

    def url(self, name: str) -> str:
        """Where the server serves it."""
        return f"/api/runs/{quote(self._run_id, safe='')}/artifacts/{quote(name, safe='')}"

    def _write(self, folder: Path, name: str, data: bytes) -> str:
        folder.mkdir(parents=True, exist_ok=True)
        handle, hidden = tempfile.mkstemp(prefix=_HIDDEN, dir=folder)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            with self._turn:
                free = _free_name(folder, name, data)
                Path(hidden).replace(folder / free)
        except BaseException:
            Path(hidden).unlink(missing_ok=True)
            raise
        return free


@asynccontextmanager
async def open_artifacts(folder: str | None) -> AsyncIterator[ArtifactStore]:
    """The artifacts of a runtime.

    Args:
        folder: above the folders of the runs; None: a temporary one, removed at the end.
    """
    store = ArtifactStore(folder)
    try:
        yield store
    finally:
        if folder is None and not store.unused:
            # Synchronous: nothing of the runtime runs any more, and no cancel may leave it behind.
            shutil.rmtree(store.root, ignore_errors=True)


def _listed(folder: Path) -> tuple[Artifact, ...]:
    found = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if _fault(entry.name) or not entry.is_file(follow_symlinks=False):
                    continue
                stat = entry.stat(follow_symlinks=False)
                found.append(Artifact(name=entry.name, size=stat.st_size, at=stat.st_mtime))
    except FileNotFoundError:
        # The folder is made by the first file, and a file may go while it is looked at; the next look sees what is.
        pass
    return tuple(sorted(found, key=lambda artifact: artifact.name))


def _free_name(folder: Path, name: str, data: bytes) -> str:
    stem, dot, suffix = name.rpartition(".")
    if not stem:
        stem, dot, suffix = name, "", ""
    for number in range(1, MAX_COPIES + 1):
        candidate = name if number == 1 else f"{stem}-{number}{dot}{suffix}"
        path = folder / candidate
        if not path.exists() or (path.stat().st_size == len(data) and path.read_bytes() == data):
            return candidate
    raise NodeError(f"there are {MAX_COPIES} artifacts called {name!r} already", code="artifact_failed")


def _fault(name: str) -> str:
    """What is wrong with a name; empty if nothing."""
    stem = name.partition(".")[0].rstrip(" ")
    faults = {
        "it is empty": not name,
        f"it has more than {MAX_NAME} bytes": len(name.encode(errors="replace")) > MAX_NAME,
        "a path is not allowed": "/" in name or "\\" in name,
        "control characters are not allowed": any(ord(char) < 32 or ord(char) == 127 for char in name),  # noqa: PLR2004
        'none of < > : " | ? * is allowed': any(char in '<>:"|?*' for char in name),
        "it may not begin with a dot": name.startswith("."),
        "it may not begin or end with a space, nor end with a dot": name != name.strip(" ").rstrip("."),
        "it is the name of a device": stem.upper() in _DEVICES,
        "it is no valid text": not _is_text(name),
    }
    return next((fault for fault, found in faults.items() if found), "")


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
