"""The settings that a node of any kind may have, read out of its config.

They lie among the kind's own keys, in camelCase and milliseconds; here they become one frozen class in seconds. They
decide how a node is scheduled, so they are known before the run: none of them may hold an expression. A key that is
null counts as not said. Nothing here raises; what is wrong is told, and its default is used.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal, TypeAlias

import attrs

__all__ = ["COMMON_SETTINGS", "Fault", "NodeSettings", "Retry", "read_settings"]

# A hundred years: what is longer is a slip of the keyboard, and may be no float any more.
_LONGEST_MS: Final = 100 * 365 * 24 * 3600 * 1000

Fault: TypeAlias = tuple[str, str, Literal["error", "warning"]]
"""What is wrong: (path below the config, message, severity)."""


@attrs.frozen(kw_only=True)
class Retry:
    """How often and when a failed attempt is tried again. Delays in seconds."""

    max_attempts: int = 1
    """The first one included."""
    delay: float = 1.0
    """Before the second attempt."""
    backoff: float = 2.0
    """Each further delay is so many times the one before it."""
    max_delay: float = 60.0
    jitter: bool = True
    """Vary the delays, so that nodes which failed together do not try again together."""


@attrs.frozen(kw_only=True)
class NodeSettings:
    """The settings that a node of any kind has. Times in seconds."""

    timeout: float | None = None
    """Of one attempt; None (or a 0 on the wire): there is none."""
    retry: Retry = Retry()
    on_error: Literal["fail", "continue"] = "fail"
    join: Literal["all", "any"] = "all"
    disabled: bool = False
    """Skip the node, and pass its input on."""
    wait_time: float | None = None
    """After the work; None: the kind's default."""


def read_settings(config: Mapping[str, Any]) -> tuple[NodeSettings, Sequence[Fault]]:
    """The common settings in a config, and what is wrong with them."""
    if COMMON_SETTINGS.isdisjoint(config):
        return _DEFAULTS, ()
    faults: list[Fault] = []
    return NodeSettings(**_read(config, _SETTINGS, "", faults)), faults


class _Wrong(Exception):
    """A value can not be a setting; the text says what it must be. Never leaves this file."""


def _milliseconds(value: Any) -> float:
    if type(value) not in {int, float} or not 0 <= value <= _LONGEST_MS:
        raise _Wrong("must be a number of milliseconds, 0 or more")
    return float(value) / 1000


def _timeout(value: Any) -> float | None:
    return _milliseconds(value) or None


def _attempts(value: Any) -> int:
    if type(value) is not int or value < 1:
        raise _Wrong("must be a whole number, 1 or more")
    return value


def _factor(value: Any) -> float:
    # The upper bound also refuses integers that no float can hold, and it comes first for their sake.
    if type(value) not in {int, float} or not 1 <= value <= _LONGEST_MS or not math.isfinite(value):
        raise _Wrong("must be a number, 1 or more")
    return float(value)


def _flag(value: Any) -> bool:
    if type(value) is not bool:
        raise _Wrong("must be true or false")
    return value


def _one_of(*choices: str) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if not isinstance(value, str) or value not in choices:
            raise _Wrong("must be " + " or ".join(f'"{choice}"' for choice in choices))
        return value

    return read


_Table: TypeAlias = Mapping[str, tuple[str, Callable[[Any], Any] | Mapping[str, Any]]]

_RETRY: Final[_Table] = {
    "maxAttempts": ("max_attempts", _attempts),
    "delay": ("delay", _milliseconds),
    "backoff": ("backoff", _factor),
    "maxDelay": ("max_delay", _milliseconds),
    "jitter": ("jitter", _flag),
}

_SETTINGS: Final[_Table] = {
    "timeout": ("timeout", _timeout),
    "retry": ("retry", _RETRY),
    "onError": ("on_error", _one_of("fail", "continue")),
    "join": ("join", _one_of("all", "any")),
    "disabled": ("disabled", _flag),
    "waitTime": ("wait_time", _milliseconds),
}
"""Key on the wire → field, and how it is read."""

COMMON_SETTINGS: Final = frozenset(_SETTINGS)
"""The keys of a config that a node of any kind may have. A kind's own check ignores those that it does not declare."""

_DEFAULTS: Final = NodeSettings()


def _read(config: Mapping[str, Any], table: _Table, prefix: str, faults: list[Fault]) -> dict[str, Any]:
    """Field → value of every key of the table that the config says rightly."""
    fields: dict[str, Any] = {}
    for key, (field, reader) in table.items():
        value = config.get(key)
        if value is None:
            continue
        path = prefix + key
        if isinstance(value, str) and "{{" in value:
            faults.append((path, "can not hold an expression: it must be known before the run", "error"))
        elif callable(reader):
            try:
                fields[field] = reader(value)
            except _Wrong as wrong:
                faults.append((path, str(wrong), "error"))
        elif isinstance(value, dict):
            fields[field] = Retry(**_read(value, _RETRY, f"{path}.", faults))
            faults += [
                (f"{path}.{name}", f"is not known; there are {', '.join(_RETRY)}", "warning")
                for name in value
                if name not in _RETRY
            ]
        else:
            faults.append((path, f"must be an object with {', '.join(_RETRY)}", "error"))
    return fields
