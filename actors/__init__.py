"""Who says it: every task, socket, file, thread and process of callboard, as actors on trio.

The names below are what a program that embeds callboard needs. They are imported when they are first used, so that
`callboard --help` does not wait for a server. `node`, which makes a coroutine function a kind, is in `actors.registry`:
here the name is the module of the node actor.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from actors.context import Driver, Fired, NodeContext
    from actors.errors import (
        ActorGone,
        ActorsError,
        Busy,
        ExpressionError,
        NodeError,
        RunActive,
        ShuttingDown,
        UnknownRun,
    )
    from actors.handle import Run
    from actors.observer import Observer
    from actors.registry import Registry
    from actors.runtime import Runtime, open_runtime
    from actors.server import serve
    from actors.settings import Settings

__all__ = [
    "ActorGone",
    "ActorsError",
    "Busy",
    "Driver",
    "ExpressionError",
    "Fired",
    "NodeContext",
    "NodeError",
    "Observer",
    "Registry",
    "Run",
    "RunActive",
    "Runtime",
    "Settings",
    "ShuttingDown",
    "UnknownRun",
    "open_runtime",
    "serve",
]

_HOMES: Final = {
    **dict.fromkeys(("Driver", "Fired", "NodeContext"), "context"),
    **dict.fromkeys(("Runtime", "open_runtime"), "runtime"),
    "Observer": "observer",
    "Registry": "registry",
    "Run": "handle",
    "Settings": "settings",
    "serve": "server",
}
"""Name → the module it is from; every other one is an error."""


def __getattr__(name: str) -> object:
    """A public name, imported on first use."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES.get(name, 'errors')}"), name)
    globals()[name] = value
    return value
