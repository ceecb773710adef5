"""Kinds that look at data or keep it: `condition`, `switch`, `set`, `log`."""

import operator
from collections.abc import Callable, Mapping
from typing import Any, Final

import attrs
import orjson

from actors import expressions
from actors.config import option
from actors.context import Fired, NodeContext
from actors.errors import NodeError
from actors.registry import node
from protocol.graph import COMMON_SETTINGS
from protocol.messages import Json, Level

__all__ = ["Case", "ConditionConfig", "LogConfig", "SwitchConfig", "condition", "log_line", "set_variables", "switch"]

PAGE_OPERATORS: Final = (
    "exists",
    "not_exists",
    "visible",
    "hidden",
    "equals",
    "not_equals",
    "contains",
    "not_contains",
    "matches",
)


@attrs.frozen(kw_only=True)
class ConditionConfig:
    """Settings of `condition`: an expression, or two values, or an element of the page."""

    selector: str = ""
    """The element that is looked at."""
    operator: str = option("exists", choices=(*PAGE_OPERATORS, "lt", "le", "gt", "ge"))
    """How it is compared; lt, le, gt and ge compare `left` with `right` only."""
    value: Json = ""
    """What the element's text is compared with."""
    expression: bool | None = option(None, expression=True)
    """Decides alone, if it is there."""
    left: Json = ...
    """Is compared with `right`, if it is there."""
    right: Json = None
    simulate: Json = None
    """What the simulated driver answers: a boolean, or a list with one for each turn of the loop around."""


@node("condition", config=ConditionConfig, ports=("true", "false"), effects=False, wait_time=1.0, control=True)
async def condition(ctx: NodeContext[ConditionConfig]) -> Fired:
    """Goes on at `true` or at `false`, with its input as the value."""
    config = ctx.config
    if config.expression is not None:
        holds = config.expression
    elif config.left is not ...:
        holds = _compare(config.left, config.operator, config.right)
    else:
        holds = await ctx.driver.check(ctx, config.selector, config.operator, config.value)
    return Fired({"true" if holds else "false": ctx.inputs.get("in")}, result=holds)  # noqa: ASYNC910  nothing to wait for


@attrs.frozen(kw_only=True)
class Case:
    """One way out of a `switch`."""

    port: str
    """The port to fire."""
    expression: bool = option(expression=True)
    """When to fire it."""


@attrs.frozen(kw_only=True)
class SwitchConfig:
    """Settings of `switch`."""

    cases: tuple[Case, ...] = ()
    """The first whose expression is true is taken; all of them are evaluated."""
    default: str = "default"
    """The port to fire if no case is taken."""


def _switch_ports(config: Mapping[str, Json]) -> tuple[str, ...] | None:
    """The ports of the cases and the default; None where an expression will name one, or the config is wrong."""
    cases = config.get("cases", [])
    if not isinstance(cases, list):
        return None
    ports = [case.get("port") if isinstance(case, Mapping) else None for case in cases]
    ports.append(config.get("default", "default"))
    if any(not isinstance(port, str) or "{{" in port for port in ports):
        return None
    return tuple(dict.fromkeys(port for port in ports if port is not None))


@node("switch", config=SwitchConfig, ports=_switch_ports, effects=False, control=True)
async def switch(ctx: NodeContext[SwitchConfig]) -> Fired:
    """Goes on at the port of the first case that is true, with its input as the value."""
    taken = next((case.port for case in ctx.config.cases if case.expression), ctx.config.default)
    return Fired({taken: ctx.inputs.get("in")}, result=taken)  # noqa: ASYNC910  nothing to wait for


@node("set", config=dict, effects=False)
async def set_variables(ctx: NodeContext[dict[str, Json]]) -> Json:
    """Sets variables of the run: each key of its config is one."""
    values = {name: value for name, value in ctx.config.items() if name not in COMMON_SETTINGS}
    for name, value in values.items():
        ctx.set_var(name, value)
    return values  # noqa: ASYNC910  nothing to wait for


@attrs.frozen(kw_only=True)
class LogConfig:
    """Settings of `log`."""

    message: Json = ""
    """What to say; anything but text is said as JSON."""
    level: Level = "info"
    """How important it is."""


@node("log", config=LogConfig, effects=False)
async def log_line(ctx: NodeContext[LogConfig]) -> Json:
    """Writes a line into the run's log, and passes its input on."""
    message = ctx.config.message
    ctx.log(ctx.config.level, message if isinstance(message, str) else orjson.dumps(message).decode())
    return ctx.inputs.get("in")  # noqa: ASYNC910  nothing to wait for


def _contains(left: Any, right: Any) -> bool:
    if isinstance(left, str):
        return str(right) in left
    return right in left if isinstance(left, Mapping | list | tuple) else False


def _matches(left: Any, right: Any) -> bool:
    return expressions.matches(str(left), str(right))


def _equals(left: Any, right: Any) -> bool:
    # Python holds true for 1, JSON does not.
    return isinstance(left, bool) is isinstance(right, bool) and bool(left == right)


_OPERATORS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "exists": lambda left, _: left is not None,
    "not_exists": lambda left, _: left is None,
    "equals": _equals,
    "not_equals": lambda left, right: not _equals(left, right),
    "contains": _contains,
    "not_contains": lambda left, right: not _contains(left, right),
    "matches": _matches,
    "lt": operator.lt,
    "le": operator.le,
    "gt": operator.gt,
    "ge": operator.ge,
}


def _compare(left: Json, name: str, right: Json) -> bool:
    compare = _OPERATORS.get(name)
    if compare is None:
        raise NodeError(f"operator: {name!r} can not compare two values", code="bad_config")
    if name not in ("contains", "not_contains", "matches"):
        left, right = _alike(left, right), _alike(right, left)
    try:
        return bool(compare(left, right))
    except (TypeError, ValueError) as exc:
        raise NodeError(f"left and right can not be compared by {name}: {exc}", code="bad_config") from exc


def _alike(value: Json, other: Json) -> Json:
    """A text as a number or boolean if it is compared with one: editors send much as text."""
    if not isinstance(value, str) or not isinstance(other, bool | int | float):
        return value
    if isinstance(other, bool):
        return {"true": True, "false": False}.get(value, value)
    try:
        return float(value)
    except ValueError:
        return value
