"""The one seam through which tests and metrics look into the runtime.

Every actor tells the observer the cancel scope it lives in, under a stable label (`run:<id>`, `node:<id>`,
`conn:<session>`, `hub`, `server`), and the synchronous commands that someone outside could give it at any time
(`run:<id>/pause`, `/resume`, `/stop`, `/breakpoints`, `conn:<session>/close`), which stay harmless after the actor's
end. The null observer does nothing and costs one attribute look-up; nothing in the runtime behaves differently under
another one, except that each node then has a cancel scope of its own.
"""

from collections.abc import Callable
from typing import Protocol

import trio

__all__ = ["NULL", "Observer"]


class Observer(Protocol):
    """What may be told. Methods must return at once and never raise."""

    @property
    def active(self) -> bool:
        """False only for the null observer."""
        ...

    def scope(self, label: str, scope: trio.CancelScope) -> None:
        """An actor's scope was entered."""

    def unscope(self, label: str) -> None:
        """An actor's scope was left."""

    def action(self, label: str, fn: Callable[[], object]) -> None:
        """`fn` is a command that may be given to the actor from now on, from any place in the same thread."""


class _Null:
    active = False

    def scope(self, label: str, scope: trio.CancelScope) -> None:
        pass

    def unscope(self, label: str) -> None:
        pass

    def action(self, label: str, fn: Callable[[], object]) -> None:
        pass


NULL: Observer = _Null()
