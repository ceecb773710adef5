"""The ExecutionConfig: what a client may say about one run, beside its graph.

camelCase keys and milliseconds in every dialect, as editors send it; seconds here. Wrong values are all named at once;
a key that nobody knows is a warning, because the next version of an editor may know it.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal

import attrs

from protocol.errors import BadField
from protocol.graph import Problem

__all__ = ["ExecutionConfig", "inherited", "parse_execution_config"]


@attrs.frozen(kw_only=True)
class ExecutionConfig:
    """How one run is to go. Times in seconds."""

    timeout: float | None = None
    """Of the whole run, on its own clock."""
    max_concurrency: int | None = None
    """Nodes at a time; 1: depth first, one after another; None: the server's limit."""
    pause_mode: Literal["now", "drain"] = "now"
    on_disconnect: Literal["continue", "pause", "stop"] = "continue"
    default_wait_time: float | None = None
    """Replaces the waitTime defaults of the kinds."""
    variables: Mapping[str, Any] = attrs.field(factory=dict)
    inputs: Mapping[str, Any] = attrs.field(factory=dict)
    """Input port → value, for the nodes where the run begins."""
    driver: Literal["simulated", "browser"] = "simulated"
    seed: int | None = None
    """Of everything random in the run; None: drawn and told in the log."""
    breakpoints: tuple[str, ...] = ()
    """Ids of nodes before which the run pauses, as a drain does."""
    dry_run: bool = False


def parse_execution_config(config: Mapping[str, Any]) -> tuple[ExecutionConfig, tuple[Problem, ...]]:
    """Read a config as a client sent it.

    Returns:
        the config, and a warning for each unknown key.

    Raises:
        BadField: wrong values; all of them, with paths such as `config.timeout`.
    """
    values: dict[str, Any] = {}
    faults: list[tuple[str, str]] = []
    warnings: list[Problem] = []
    for key, value in config.items():
        if (entry := _KEYS.get(key)) is None:
            warnings.append(
                Problem(
                    code="unknown_key",
                    message=f"no such key; known are {', '.join(_KEYS)}",
                    path=f"config.{key}",
                    severity="warning",
                )
            )
        elif value is not None:
            name, read = entry
            try:
                values[name] = read(value)
            except ValueError as error:
                faults.append((f"config.{key}", str(error)))
    if faults:
        raise BadField(faults)
    return ExecutionConfig(**values), tuple(warnings)


def inherited(
    config: ExecutionConfig, *, seed: int, variables: Mapping[str, Any], inputs: Mapping[str, Any]
) -> Mapping[str, Any]:
    """The config of a run inside another one, as a client would send it: how it runs goes down, how long does not.

    Args:
        config: of the run around it.
        seed: of its own.
        variables: as they are now.
        inputs: of its own.
    """
    wait = config.default_wait_time
    said = {
        "variables": dict(variables),
        "inputs": dict(inputs),
        "seed": seed,
        "driver": config.driver,
        "maxConcurrency": config.max_concurrency,
        "pauseMode": config.pause_mode,
        "defaultWaitTime": None if wait is None else wait * 1000,
    }
    return {key: value for key, value in said.items() if value is not None}


def _milliseconds(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise ValueError(f"must be milliseconds, 0 or more, not {value!r:.40}")
    return value / 1000


def _at_least(low: int) -> Callable[[Any], int]:
    def read(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or value < low:
            raise ValueError(f"must be a whole number, {low} or more, not {value!r:.40}")
        return value

    return read


def _seed(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"must be a whole number, not {value!r:.40}")  # noqa: TRY004  one error type for the caller
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"must be true or false, not {value!r:.40}")  # noqa: TRY004
    return value


def _mapping(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError(f"must be an object, not {value!r:.40}")  # noqa: TRY004
    return value


def _names(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(name, str) for name in value):
        raise ValueError(f"must be a list of node ids, not {value!r:.40}")
    return tuple(value)


def _one_of(*choices: str) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if value not in choices:
            raise ValueError(f"must be one of {', '.join(choices)}, not {value!r:.40}")
        return str(value)

    return read


_KEYS: Final[Mapping[str, tuple[str, Callable[[Any], Any]]]] = {
    "timeout": ("timeout", _milliseconds),
    "maxConcurrency": ("max_concurrency", _at_least(1)),
    "pauseMode": ("pause_mode", _one_of("now", "drain")),
    "onDisconnect": ("on_disconnect", _one_of("continue", "pause", "stop")),
    "defaultWaitTime": ("default_wait_time", _milliseconds),
    "variables": ("variables", _mapping),
    "inputs": ("inputs", _mapping),
    "driver": ("driver", _one_of("simulated", "browser")),
    "seed": ("seed", _seed),
    "breakpoints": ("breakpoints", _names),
    "dryRun": ("dry_run", _flag),
}
"""Key on the wire → (field, reader)."""
