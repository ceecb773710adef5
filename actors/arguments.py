"""What the commands of the command line take: files, flags for settings and for the config of a run.

Each is a decorator for a command, and a way to read what was given. Whatever is wrong with it is raised as click's
errors of usage, which name the flag.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Any, BinaryIO, Final, NoReturn, TypeVar

import attrs
import click

from actors.document import Document, DocumentError, read_document
from actors.settings import LogLevel, Seconds, Settings, Size
from actors.sources import CONFIG_FILE, parse_seconds, spell

__all__ = [
    "Execution",
    "as_json",
    "at_server",
    "document",
    "dry_run",
    "execution_flags",
    "file",
    "pairs",
    "run",
    "setting_flag",
    "setting_flags",
    "settings_file",
]

_METAVARS: Final[Mapping[object, str]] = {
    str: "TEXT",
    str | None: "TEXT",
    tuple[str, ...]: "TEXT",
    LogLevel: "LEVEL",
    Seconds: "DURATION",
    Size: "SIZE",
}
"""Type of a setting → what its flag takes; all others take a number."""

F = TypeVar("F", bound=Callable[..., Any])

settings_file = click.option(
    "--config",
    metavar="FILE",
    help=f"Settings as TOML  [CALLBOARD_CONFIG, else {CONFIG_FILE} here if there is one]",
)
dry_run = click.option(
    "--dry-run", is_flag=True, help="Try the wiring: unknown kinds and wrong configs pass, every node is simulated."
)
as_json = click.option("--json", "as_json", is_flag=True, help="JSON on stdout, and nothing else there.")
file = click.argument("file", type=click.File("rb"))
run = click.argument("run", metavar="RUN")


@attrs.frozen(kw_only=True)
class Execution:
    """What the flags say of a run's config."""

    variables: Sequence[str]
    inputs: Sequence[str]
    timeout: str | None
    options: Sequence[str]

    def over(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """The config of a file, overruled by the flags.

        Raises:
            click.BadParameter: a flag can not be read.
        """
        asked = {**config, **pairs(self.options, param="--option")}
        for key, param, given in (("variables", "--set", self.variables), ("inputs", "--input", self.inputs)):
            if given:
                before = asked.get(key)
                asked[key] = {**(before if isinstance(before, Mapping) else {}), **pairs(given, param=param)}
        if self.timeout is not None:
            try:
                asked["timeout"] = parse_seconds(self.timeout) * 1000
            except ValueError as error:
                raise click.BadParameter(str(error), param_hint="--timeout") from None
        return asked


def execution_flags(command: Callable[..., int]) -> Callable[..., int]:
    """Flags for the config of a run; the command is given an `Execution` as `execution`."""

    @wraps(command)
    def gathering(
        *, variables: Sequence[str], inputs: Sequence[str], timeout: str | None, options: Sequence[str], **rest: Any
    ) -> int:
        execution = Execution(variables=variables, inputs=inputs, timeout=timeout, options=options)
        return command(execution=execution, **rest)

    for option in (
        click.option(
            "--option",
            "-o",
            "options",
            multiple=True,
            metavar="KEY=VALUE",
            help="Any other key of the run's config: seed=7.",
        ),
        click.option("--timeout", metavar="DURATION", help="Fail the run after so long, e.g. 90s."),
        click.option(
            "--input", "inputs", multiple=True, metavar="PORT=VALUE", help="An input of the nodes where it begins."
        ),
        click.option(
            "--set", "variables", multiple=True, metavar="NAME=VALUE", help="A variable; VALUE is JSON, or else text."
        ),
    ):
        gathering = option(gathering)
    return gathering


def setting_flags(command: F) -> F:
    """A flag for every setting, in the order of the class; its help is the setting's own text and default."""
    for field in reversed(attrs.fields(Settings)):
        command = setting_flag(field)(command)
    return command


def setting_flag(field: "attrs.Attribute[Any]") -> Callable[[F], F]:
    """The flag for one of them."""
    flag = "--" + field.name.replace("_", "-")
    text = field.metadata["help"].removesuffix(".")
    if field.type is bool:
        return click.option(flag, field.name, is_flag=True, default=None, help=text)
    if isinstance(field.default, tuple):
        text += "; may be given several times"
    if default := spell(field):
        text += f"  [{default}]"
    return click.option(
        flag,
        field.name,
        multiple=isinstance(field.default, tuple),
        metavar=_METAVARS.get(field.type, "N"),
        help=text,
    )


def at_server(command: F) -> F:
    """Which server a command is about."""
    for option in (
        click.option("--token", envvar="CALLBOARD_TOKEN", help="What the server wants to be told  [CALLBOARD_TOKEN]"),
        click.option(
            "--server",
            envvar="CALLBOARD_SERVER",
            default="http://127.0.0.1:8765",
            metavar="URL",
            help="Where it listens  [CALLBOARD_SERVER, else http://127.0.0.1:8765]",
        ),
    ):
        command = option(command)
    return command


def document(file: BinaryIO) -> Document:
    """The graph in a file.

    Raises:
        click.BadParameter: it can not be read.
    """
    try:
        return read_document(file.read())
    except (DocumentError, OSError) as error:
        raise click.BadParameter(f"{getattr(file, 'name', 'stdin')}: {error}", param_hint="FILE") from None


def pairs(given: Sequence[str], *, param: str) -> dict[str, Any]:
    """NAME=VALUE arguments; a value that is JSON is what it says, any other is text."""
    read: dict[str, Any] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not (name and equals):
            raise click.BadParameter(f"must be NAME=VALUE, not {text!r}", param_hint=param)
        try:
            read[name] = json.loads(value, parse_constant=_not_json)
        except ValueError:
            read[name] = value
    return read


def _not_json(constant: str) -> NoReturn:
    raise ValueError(constant)  # Python reads NaN and Infinity; JSON and the run do not.
