"""What the kit raises: at whoever asks it, and into what it tries."""

from collections.abc import Iterator

__all__ = ["ChaosError", "ChaosFailure", "Crashed", "NotDeterministic", "leaves"]


class ChaosError(Exception):
    """The kit was asked for what there is not, or for what can not be done."""


class NotDeterministic(ChaosError):
    """The same scenario went another way the second time, so a point of the first is none of the second.

    Look for what the difference names: the order of a set, a wall clock, a thread, or what an earlier run left behind.
    """


class ChaosFailure(AssertionError):
    """An invariant did not hold. The text is the report's."""


class Crashed(Exception):
    """What the fault `Crash` raises out of a wait."""


def leaves(error: BaseException) -> Iterator[BaseException]:
    """The errors in a group of groups; of one that is none, itself."""
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from leaves(inner)
    else:
        yield error
