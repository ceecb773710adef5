"""Where settings come from: defaults, then a TOML file, then the environment, then flags.

Theory of operation: each source gives raw values by setting name; a later source replaces what an earlier one said,
lists included. What remains is structured with cattrs, field by field, so that every mistake of every source is told at
once and each names where it was made. A raw value may be text anywhere: `"10s"` in a file means what it means as a
flag. An empty environment variable counts as not set.
"""

import difflib
import math
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal, cast, get_args, get_origin

import attrs
import cattrs

from actors.errors import SettingsError
from actors.settings import LogLevel, Seconds, Settings, Size

__all__ = ["CONFIG_FILE", "PREFIX", "load_settings", "parse_seconds", "spell"]

CONFIG_FILE: Final = "callboard.toml"
PREFIX: Final = "CALLBOARD_"
NOT_SETTINGS: Final = frozenset({f"{PREFIX}CONFIG", f"{PREFIX}SERVER"})
"""Variables with the prefix that are read elsewhere; those that begin with `SECRETS` are for expressions."""
SECRETS: Final = f"{PREFIX}SECRET_"

_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_BYTES: Final = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "kB": 10**3, "MB": 10**6, "GB": 10**9}
_TRUTH: Final = {
    "true": True,
    "yes": True,
    "on": True,
    "1": True,
    "false": False,
    "no": False,
    "off": False,
    "0": False,
}
_FIELDS: Final[Mapping[str, "attrs.Attribute[Any]"]] = attrs.fields_dict(Settings)


@attrs.frozen
class _Given:
    """A raw value and who said it."""

    value: Any
    source: str
    """As a person finds it again: `callboard.toml: max-nodes`, `CALLBOARD_MAX_NODES`, `--max-nodes`."""


def load_settings(
    flags: Mapping[str, Any] | None = None,
    *,
    config: str | os.PathLike[str] | None = None,
    environ: Mapping[str, str] | None = None,
) -> Settings:
    """The settings of a command.

    Args:
        flags: setting name → what its flag was given (text, a list of texts, or a bool); None and () mean not given.
        config: the file to read. Default: what CALLBOARD_CONFIG names, else `callboard.toml` here if there is one.
        environ: default: the process's environment.

    Raises:
        SettingsError: a file that cannot be read, unknown names, wrong values: all of them, each with its source.
    """
    environ = os.environ if environ is None else environ
    problems: list[str] = []
    given: dict[str, _Given] = {}
    for source in (
        _from_file(config or environ.get(f"{PREFIX}CONFIG") or None, problems),
        _from_environ(environ, problems),
    ):
        given.update(source)
    for name, value in (flags or {}).items():
        if value is not None and value != ():
            given[name] = _Given(value, _flag(name))
    values: dict[str, Any] = {}
    for name, said in given.items():
        field = _FIELDS[name]
        try:
            value = _converter().structure(said.value, cast("type", field.type))
            if field.validator is not None:
                field.validator(None, field, value)  # Ours look at the value only, so no instance is needed yet.
        except ValueError as error:
            problems.append(f"{said.source}: {error}")
        else:
            values[name] = value
    if not problems:
        try:
            return Settings(**values)
        except ValueError as error:
            problems.append(str(error))
    raise SettingsError("\n".join(problems))


def parse_seconds(raw: object) -> float:
    """A duration as text or a number.

    Raises:
        ValueError: it is neither.
    """
    if isinstance(raw, str) and raw == "inf":
        return math.inf
    return _measured(raw, units=_SECONDS, example="10s, 250ms or 2m")


def spell(field: "attrs.Attribute[Any]") -> str:
    """A setting's default as a person would write it: `10s`, `16MiB`; "" where there is none."""
    value = field.default
    if value is None or value == ():
        return ""
    if field.type is Seconds:
        return f"{value:g}s"
    if field.type is Size:
        unit = next(unit for unit in ("GiB", "MiB", "KiB", "B") if value % _BYTES[unit] == 0)
        return f"{value // _BYTES[unit]}{unit}"
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _from_file(named: str | os.PathLike[str] | None, problems: list[str]) -> Iterator[tuple[str, _Given]]:
    """What a TOML file says at its top level; dashes and underscores are alike there."""
    path = Path(named or CONFIG_FILE)
    if named is None and not path.exists():
        return
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        problems.append(f"{path}: {error.strerror if isinstance(error, OSError) else error}")
        return
    for key, value in table.items():
        name = key.replace("-", "_")
        if name in _FIELDS:
            yield name, _Given(value, f"{path}: {key}")
        else:
            problems.append(f"{path}: {key}: unknown setting{_hint(name, str)}")


def _from_environ(environ: Mapping[str, str], problems: list[str]) -> Iterator[tuple[str, _Given]]:
    """What variables with our prefix say."""
    for variable, value in sorted(environ.items()):
        if not variable.startswith(PREFIX) or variable in NOT_SETTINGS or variable.startswith(SECRETS) or not value:
            continue
        name = variable.removeprefix(PREFIX).lower()
        if name in _FIELDS:
            yield name, _Given(value, variable)
        else:
            problems.append(f"{variable}: unknown setting{_hint(name, _variable)}")
    if problems and f"{PREFIX}SERVICE_HOST" in environ:
        problems.append(
            f"Kubernetes sets {PREFIX}PORT and others for a service called callboard; say `enableServiceLinks: false`"
        )


def _hint(name: str, spelled: Any) -> str:
    near = difflib.get_close_matches(name, _FIELDS, n=1)
    return f"; did you mean {spelled(near[0])}?" if near else ""


def _variable(name: str) -> str:
    return PREFIX + name.upper()


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


@cache
def _converter() -> cattrs.Converter:
    """Raw values to the types of the fields, one hook per type; what they raise is a ValueError for a person.

    Made when first asked for: a server embedded in a program never needs it.
    """
    converter = cattrs.Converter(detailed_validation=False)
    converter.register_structure_hook(bool, lambda raw, _: _to_bool(raw))
    converter.register_structure_hook(str, lambda raw, _: _to_text(raw))
    converter.register_structure_hook(int, lambda raw, _: _to_int(raw))
    converter.register_structure_hook(float, lambda raw, _: _to_float(raw))
    converter.register_structure_hook_func(lambda type_: type_ is Seconds, lambda raw, _: parse_seconds(raw))
    converter.register_structure_hook_func(lambda type_: type_ is Size, lambda raw, _: _to_size(raw))
    converter.register_structure_hook_func(lambda type_: type_ == LogLevel, lambda raw, _: _to_level(raw))
    converter.register_structure_hook_func(
        lambda type_: type_ in (int | None, float | None),
        lambda raw, type_: None if raw == "all" else converter.structure(raw, get_args(type_)[0]),
    )
    converter.register_structure_hook_func(
        lambda type_: cast("object", get_origin(type_)) is tuple,
        lambda raw, type_: tuple(converter.structure(item, get_args(type_)[0]) for item in _to_list(raw)),
    )
    return converter


def _to_list(raw: object) -> list[Any]:
    if isinstance(raw, str):
        return [item.strip() for item in raw.split(",") if item.strip()]
    if isinstance(raw, list | tuple):
        return list(raw)
    return [raw]


def _to_text(raw: object) -> str:
    if not isinstance(raw, str):
        raise ValueError("must be text, in quotes")  # noqa: TRY004  what is wrong is a setting; and it may be the token
    return raw


def _to_level(raw: object) -> Literal["debug", "info", "warning", "error"]:
    for level in get_args(LogLevel):
        if raw == level:
            return level  # type: ignore[no-any-return]  # get_args knows no types
    raise ValueError(f"must be one of {', '.join(get_args(LogLevel))}, not {raw!r}")


def _to_bool(raw: object) -> bool:
    if isinstance(raw, bool):
        return raw
    if isinstance(raw, str) and raw.lower() in _TRUTH:
        return _TRUTH[raw.lower()]
    raise ValueError(f"must be true or false, not {raw!r}")


def _to_int(raw: object) -> int:
    number = _to_float(raw)
    if not number.is_integer():
        raise ValueError(f"must be a whole number, not {raw!r}")
    return int(number)


def _to_float(raw: object) -> float:
    if isinstance(raw, int | float) and not isinstance(raw, bool):
        return float(raw)
    if isinstance(raw, str) and re.fullmatch(r"[+-]?\d[\d_]*(\.\d+)?", raw):
        return float(raw)
    raise ValueError(f"must be a number, not {raw!r}")


def _to_size(raw: object) -> int:
    return int(_measured(raw, units=_BYTES, example="16MiB or 256KiB"))


def _measured(raw: object, *, units: Mapping[str, float], example: str) -> float:
    """A plain number, or one with a unit behind it."""
    if not isinstance(raw, str):
        return _to_float(raw)
    found = re.fullmatch(r"(.*?)\s*([A-Za-z]*)", raw, re.DOTALL)
    number, unit = found.groups() if found else (raw, "")
    folded = {name.lower(): factor for name, factor in units.items()}
    if unit and unit.lower() not in folded:
        raise ValueError(f"must be like {example}, not {raw!r}")
    try:
        return _to_float(number) * (folded[unit.lower()] if unit else 1)
    except ValueError:
        raise ValueError(f"must be like {example}, not {raw!r}") from None
