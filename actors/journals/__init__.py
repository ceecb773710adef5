"""The journals: each keeps the contract of `actors.journal`."""

from actors.journals.memory import MemoryJournal

__all__ = ["MemoryJournal"]
