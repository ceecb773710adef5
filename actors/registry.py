"""The kinds of node that a runtime knows: `@node` describes one, a `Registry` holds them by name.

*Theory of operation.* `@node` turns a coroutine function into a `KindSpec`, which is data and may be in any number of
registries; nothing is registered by being imported. `Registry.builtin()` loads the package of built-in kinds by its
name, as it would anyone else's, so this module knows none of them. A registry is filled before its runtime starts.

A node's config is worked on twice. At submit, `check` reports what is wrong and `prepare` compiles its expressions.
When the node starts, `Prepared.resolve` gives the config object: without expressions, one made long before.
"""

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from importlib import import_module, metadata
from types import ModuleType
from typing import Any, Final, TypeAlias, TypeVar

import attrs

from actors import expressions
from actors.config import NoConfig, Problem, check, json_schema, mark_expressions, structure
from actors.context import NodeContext
from actors.errors import KindError, NodeError
from actors.expressions import Scope, Template
from actors.secrets import is_set, unknown
from protocol.graph import Node
from protocol.messages import Json

__all__ = ["ENTRY_POINTS", "KindSpec", "Prepared", "Registry", "Traits", "node"]

ENTRY_POINTS: Final = "callboard.nodes"
"""The entry point group through which an installed package adds kinds: each point is a kind, or a module of kinds."""

BUILTIN: Final = "actors.nodes"

C = TypeVar("C")
Run: TypeAlias = Callable[[NodeContext[Any]], Awaitable[object]]
Ports: TypeAlias = tuple[str, ...] | Callable[[Mapping[str, Json]], tuple[str, ...] | None] | None
Trait: TypeAlias = bool | Callable[[Any], bool]


@attrs.frozen
class Traits:
    """How a node with a certain config may be treated."""

    effects: bool
    """It acts on the outside world: it starts when all earlier events are durable."""
    interruptible: bool
    """A pause may cut it."""
    at_most_once: bool
    """Rather not done than done twice."""


@attrs.frozen(kw_only=True, eq=False)
class KindSpec:
    """A kind of node. Made by `@node`; calling it runs its coroutine function, which is all that a test needs."""

    name: str
    run: Run
    config: type = NoConfig
    """An attrs class, or `dict` for a kind that takes any keys."""
    control_ports: Ports = None
    """The ports it chooses among, or a function of the config as sent; None: it fires whatever its edges name."""
    effects: Trait = True
    interruptible: Trait | None = None
    """None: if it has no effects."""
    at_most_once: Trait = False
    wait_time: float = 0.0
    """Seconds to wait after the work, unless the node or the run says otherwise."""
    control: bool = False
    """It directs the run, and does so in a dry run too."""
    own_timeout: bool = False
    """It ends in time by itself: `timeout` is a field of its config."""
    description: str = ""
    constant_traits: Traits | None = attrs.field(init=False)
    """None: they depend on the config."""

    @constant_traits.default
    def _find_constant_traits(self) -> Traits | None:
        varies = any(callable(trait) for trait in (self.effects, self.interruptible, self.at_most_once))
        return None if varies else self._traits(None)

    def __call__(self, ctx: NodeContext[Any]) -> Awaitable[object]:  # noqa: D102  # the class says what calling does
        return self.run(ctx)

    def ports_of(self, config: Mapping[str, Json]) -> tuple[str, ...] | None:
        """The control ports of a node with this config as sent; None: it fires whatever its edges name."""
        return self.control_ports(config) if callable(self.control_ports) else self.control_ports

    def traits(self, config: Any) -> Traits:
        """How a node with this resolved config may be treated."""
        return self.constant_traits or self._traits(config)

    def check(self, config: Mapping[str, Json], driver: str) -> Sequence[Problem]:
        """What is wrong with a config: (code, path within it, message, severity); all of it at once."""
        marked = mark_expressions(config, self.config)
        survey = expressions.survey(marked)
        problems: list[Problem] = [("bad_expression", path, text, "error") for path, text in survey.problems]
        # Only a warning: where the graph runs there may be another environment than here.
        problems += [
            ("unknown_secret", path, unknown(name), "warning") for path, name in survey.secrets if not is_set(name)
        ]
        return [*problems, *check(config, self.config, driver=driver, later=survey.paths)]

    def prepare(self, node: Node) -> "Prepared":
        """Compile the expressions of a node's config, once per run. What is wrong is raised by `resolve`."""
        try:
            marked = mark_expressions(node.config, self.config)
            template = expressions.compile_value(marked)
            if template is None:
                return Prepared(self, node.id, None, _structure(node.config, self.config, node.id), None)
        except NodeError as exc:
            return Prepared(self, node.id, None, None, exc)
        return Prepared(self, node.id, template, None, None)

    def _traits(self, config: Any) -> Traits:
        at_most_once = self.at_most_once(config) if callable(self.at_most_once) else self.at_most_once
        effects = at_most_once or (self.effects(config) if callable(self.effects) else self.effects)
        if self.interruptible is None:
            interruptible = not effects
        else:
            interruptible = self.interruptible(config) if callable(self.interruptible) else self.interruptible
        return Traits(effects, interruptible and not at_most_once, at_most_once)


@attrs.frozen(eq=False)
class Prepared:
    """The config of one node of one run, its expressions compiled."""

    spec: KindSpec
    node_id: str
    _template: Template | None
    _constant: Any
    _fault: NodeError | None

    @property
    def references(self) -> expressions.References:
        """What the expressions name; empty without any."""
        return {} if self._template is None else self._template.references

    @property
    def traits(self) -> Traits:
        """How it may be treated, as far as that can be told before its expressions are resolved; else with care."""
        if self.spec.constant_traits is not None:
            return self.spec.constant_traits
        if self._template is None and self._fault is None:
            return self.spec.traits(self._constant)
        return Traits(effects=True, interruptible=False, at_most_once=False)

    def resolve(self, scope: Scope) -> Any:
        """The config object that the node gets. The scope is not touched if there is no expression.

        Raises:
            ExpressionError: an expression failed.
            NodeError: code `bad_config`: what came out does not fit the config class.
        """
        if self._template is not None:
            return _structure(self._template.resolve(scope, node=self.node_id), self.spec.config, self.node_id)
        if self._fault is not None:
            # A new one each time: a raised exception collects the traceback of its node.
            raise type(self._fault)(str(self._fault), code=self._fault.code)
        return self._constant


def node(
    name: str,
    *,
    config: type = NoConfig,
    ports: Ports = None,
    effects: Trait = True,
    interruptible: Trait | None = None,
    at_most_once: Trait = False,
    wait_time: float = 0.0,
    control: bool = False,
    own_timeout: bool = False,
) -> Callable[[Callable[[NodeContext[C]], Awaitable[object]]], KindSpec]:
    """Make a coroutine function a kind of node. The first line of its docstring is what editors show.

    Args:
        name: of the kind, as workflows spell it.
        config: an attrs class with snake_case fields (`click_type` is `clickType` on the wire), or `dict`.
        ports: the control ports, if it has any; a function gets the config as sent, which may be wrong.
        effects: it acts on the outside world.
        interruptible: a pause may cut it; default: if it has no effects.
        at_most_once: rather not done than done twice; implies effects, and not interruptible.
        wait_time: default seconds to wait after the work.
        control: it keeps its work in a dry run.
        own_timeout: `timeout` is a field of its config, and it ends in time by itself; else it is cancelled then.
    """

    def describe(run: Callable[[NodeContext[C]], Awaitable[object]]) -> KindSpec:
        return KindSpec(
            name=name,
            run=run,
            config=config,
            control_ports=ports,
            effects=effects,
            interruptible=interruptible,
            at_most_once=at_most_once,
            wait_time=wait_time,
            control=control,
            own_timeout=own_timeout,
            description=(inspect.getdoc(run) or "").partition("\n")[0],
        )

    return describe


class Registry:
    """Kinds by name. Reading `kinds` is a look-up in a dict; it is what `protocol.graph.validate` takes."""

    def __init__(self) -> None:
        self._kinds: dict[str, KindSpec] = {}

    @classmethod
    def builtin(cls) -> "Registry":
        """A registry with the built-in kinds."""
        registry = cls()
        registry.load(import_module(BUILTIN))
        return registry

    @property
    def kinds(self) -> Mapping[str, KindSpec]:
        """Name → kind."""
        return self._kinds

    def copy(self) -> "Registry":
        """A registry with the same kinds, to which others may be added."""
        other = type(self)()
        other._kinds.update(self._kinds)  # noqa: SLF001
        return other

    def register(self, spec: KindSpec) -> KindSpec:
        """Add a kind; returns it, so that this may be used as a decorator above `@node`.

        Raises:
            KindError: another kind has this name.
        """
        known = self._kinds.setdefault(spec.name, spec)
        if known is not spec:
            raise KindError(f"kind {spec.name!r} is registered already, by {known.run.__module__}")
        return spec

    def load(self, module: ModuleType) -> None:
        """Add every kind that a module has in its namespace.

        Raises:
            KindError: another kind has one of the names.
        """
        for value in vars(module).values():
            if isinstance(value, KindSpec):
                self.register(value)

    def load_entry_points(self) -> None:
        """Add the kinds of the installed packages.

        Raises:
            KindError: a package cannot be imported, or has a name that is taken; the text names it.
        """
        for point in metadata.entry_points(group=ENTRY_POINTS):
            try:
                match point.load():
                    case KindSpec() as kind:
                        self.register(kind)
                    case ModuleType() as module:
                        self.load(module)
                    case _:
                        raise KindError("it is neither a kind nor a module of kinds")
            except Exception as exc:
                raise KindError(f"entry point {point.name} = {point.value}: {exc}") from exc

    def describe(self) -> Mapping[str, Json]:
        """What editors want to know of each kind: `GET /api/kinds`."""
        return {name: _describe(spec) for name, spec in sorted(self._kinds.items())}


def _structure(config: Mapping[str, Json], cls: type, node_id: str) -> Any:
    try:
        return structure(config, cls)
    except ValueError as exc:
        raise NodeError(f"node {node_id}: {exc}", code="bad_config") from exc


def _describe(spec: KindSpec) -> Json:
    varies = "depends on the config"
    traits = spec.constant_traits
    return {
        "description": spec.description,
        "ports": varies if callable(spec.control_ports) else spec.control_ports,
        "effects": traits.effects if traits else varies,
        "interruptible": traits.interruptible if traits else varies,
        "atMostOnce": traits.at_most_once if traits else varies,
        "waitTime": round(spec.wait_time * 1000),
        "config": json_schema(spec.config),
    }
