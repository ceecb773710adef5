"""The journals: each keeps the contract of `actors.journal`."""

from actors.errors import SettingsError
from actors.journal import Journal
from actors.journals.memory import MemoryJournal

__all__ = ["MemoryJournal", "open_journal"]


def open_journal(url: str) -> Journal:
    """The journal at a URL, not yet entered.

    Example: `async with open_journal("sqlite:runs.db") as journal: …`

    Args:
        url: `memory:`, or `sqlite:PATH`.

    Raises:
        SettingsError: no journal is kept so.
    """
    scheme, colon, path = url.partition(":")
    match scheme:
        case "memory" if colon and not path:
            return MemoryJournal()
        case "sqlite" if path:
            # Nobody pays for a database who keeps nothing.
            from actors.journals.sqlite import SqliteJournal

            return SqliteJournal(path)
    raise SettingsError(f"journal: {url!r} is not known here; a journal is `memory:` or `sqlite:PATH`")
