"""actors.registry and actors.config: kinds by name, and the configs that they accept."""

import sys
from collections.abc import Mapping
from importlib import metadata
from types import ModuleType
from typing import Any, Literal

import attrs
import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.config import json_schema, option, structure, wire_name
from actors.errors import ExpressionError, KindError, NodeError
from actors.registry import KindSpec, Registry, Traits, node
from protocol.graph import Node, NodeSettings


@attrs.frozen(kw_only=True)
class Case:
    port: str
    expression: bool = option(expression=True)


@attrs.frozen(kw_only=True)
class SampleConfig:
    selector: str = option("", needed=True)
    """What to look at."""
    click_type: str = option("left", choices=("left", "right"))
    nth: int | None = None
    duration: float = option(1.0, minimum=0)
    when: str | float | None = None
    mode: Literal["a", "b"] = "a"
    flag: bool = False
    cases: tuple[Case, ...] = ()
    names: list[str] = attrs.field(factory=list)
    limits: Mapping[str, int] = attrs.field(factory=dict)


@node("sample", config=SampleConfig)
async def sample(ctx):
    """Does a sample.

    And more that editors do not show.
    """
    return ctx


def a_node(config, **settings):
    """A node of a workflow with this config."""
    return Node(
        id="n1",
        index=0,
        kind="sample",
        label="",
        config=config,
        settings=NodeSettings(**settings),
        path="nodes[0].data.config",
    )


def problems(config, driver="simulated", spec=sample):
    """What is wrong with a config: path → (code, severity)."""
    return {path: (code, severity) for code, path, _, severity in spec.check(config, driver)}


def test_the_builtin_kinds_are_there():
    """Each kind is registered and describes itself; only what means nothing without a key requires it."""
    needed = {"subflow": "workflow", "http": "url", "command": "argv"}
    registry = Registry.builtin()
    assert set(registry.kinds) == {
        "start", "click", "input", "wait", "condition", "loop", "screenshot",
        "set", "log", "switch", "end", "fail", "break", "continue",
        "subflow", "http", "command", "input_request",
    }  # fmt: skip
    for spec in registry.kinds.values():
        assert spec.description.endswith(".")
        missing = [("bad_config", needed[spec.name], "is required", "error")] if spec.name in needed else []
        assert spec.check({}, "simulated") == missing


def test_default_waits_of_the_origin():
    """The seconds that each kind waits after its work."""
    waits = {name: spec.wait_time for name, spec in Registry.builtin().kinds.items() if spec.wait_time}
    assert waits == {"start": 2.0, "click": 1.0, "input": 1.0, "condition": 1.0, "loop": 1.0, "screenshot": 1.0}


def test_a_taken_name_is_refused():
    """A second kind of a name is an error, whichever way it comes; the same kind twice is not."""
    registry = Registry.builtin()

    @node("click")
    async def other(ctx):
        """Another click."""

    with pytest.raises(KindError, match="click"):
        registry.register(other)
    click = registry.kinds["click"]
    assert registry.register(click) is click


def test_a_copy_is_independent():
    """Kinds added to a copy are not in the original."""
    registry = Registry()
    copy = registry.copy()
    copy.register(sample)
    assert not registry.kinds
    assert copy.kinds["sample"] is sample


def test_installed_packages_add_kinds(monkeypatch):
    """An entry point is a kind, or a module of kinds; anything else, or one that breaks, is named."""
    module = ModuleType("plugin_of_a_test")
    vars(module).update(sample=sample, rubbish=1)
    monkeypatch.setitem(sys.modules, module.__name__, module)

    def install(value):
        point = metadata.EntryPoint(name="x", value=value, group="callboard.nodes")
        monkeypatch.setattr(metadata, "entry_points", lambda *, group: [point] if group == "callboard.nodes" else [])

    for value in (module.__name__, f"{module.__name__}:sample"):
        install(value)
        registry = Registry()
        registry.load_entry_points()
        assert registry.kinds == {"sample": sample}
    for value in (f"{module.__name__}:rubbish", "there_is_no_such_module"):
        install(value)
        with pytest.raises(KindError, match=value):
            Registry().load_entry_points()


async def test_a_kind_can_be_called():
    """A test of a node needs a context and nothing else."""
    ctx: Any = object()
    assert await sample(ctx) is ctx


def test_the_first_line_describes():
    """Editors show the first line of the docstring."""
    assert sample.description == "Does a sample."


@pytest.mark.parametrize(
    ("given_", "traits"),
    [
        ({}, Traits(effects=True, interruptible=False, at_most_once=False)),
        ({"effects": False}, Traits(effects=False, interruptible=True, at_most_once=False)),
        ({"interruptible": True}, Traits(effects=True, interruptible=True, at_most_once=False)),
        ({"effects": False, "interruptible": False}, Traits(effects=False, interruptible=False, at_most_once=False)),
        (
            {"effects": False, "interruptible": True, "at_most_once": True},
            Traits(effects=True, interruptible=False, at_most_once=True),
        ),
    ],
)
def test_traits_follow_from_each_other(given_, traits):
    """Interruptible is by default what has no effects; at most once implies effects and is never cut."""
    spec = node("x", **given_)(sample.run)
    assert spec.traits(None) == traits


def test_traits_may_depend_on_the_config():
    """A function of the config decides, as soon as it is known; before, the most careful is assumed."""
    spec = node("x", config=SampleConfig, effects=lambda config: config.flag)(sample.run)
    assert spec.traits(SampleConfig(flag=True)) == Traits(effects=True, interruptible=False, at_most_once=False)
    assert spec.traits(SampleConfig()) == Traits(effects=False, interruptible=True, at_most_once=False)
    assert spec.prepare(a_node({})).traits == Traits(effects=False, interruptible=True, at_most_once=False)
    unknown = spec.prepare(a_node({"flag": "{{ vars.x }}"}))
    assert unknown.traits == Traits(effects=True, interruptible=False, at_most_once=False)


def test_ports_may_depend_on_the_config():
    """A function gets the config as it was sent."""
    spec = node("x", ports=lambda config: tuple(config["cases"]))(sample.run)
    assert spec.ports_of({"cases": ["a", "b"]}) == ("a", "b")
    assert node("x", ports=("t",))(sample.run).ports_of({}) == ("t",)
    assert sample.ports_of({}) is None


def test_all_problems_at_once_with_paths():
    """Every fault of a config is told with its path as on the wire."""
    config = {
        "selector": ["#a"],
        "clickType": "lefft",
        "nth": "1.5",
        "duration": -1,
        "when": {},
        "mode": "c",
        "flag": "yes",
        "cases": [{"expression": "vars.x >"}, "no case", {"port": "p", "expression": "vars.x > 1", "prot": 1}],
        "names": "abc",
        "limits": {"x": "many"},
        "clicktype": 1,
        "click_type": "left",
    }
    assert problems(config) == {
        "selector": ("bad_config", "error"),
        "clickType": ("bad_config", "warning"),
        "nth": ("bad_config", "error"),
        "duration": ("bad_config", "error"),
        "when": ("bad_config", "error"),
        "mode": ("bad_config", "error"),
        "flag": ("bad_config", "error"),
        "cases[0].expression": ("bad_expression", "error"),
        "cases[0].port": ("bad_config", "error"),
        "cases[1]": ("bad_config", "error"),
        "cases[2].prot": ("bad_config", "warning"),
        "names": ("bad_config", "error"),
        "limits.x": ("bad_config", "error"),
        "clicktype": ("bad_config", "warning"),
        "click_type": ("bad_config", "warning"),
    }


@pytest.mark.parametrize(
    ("key", "hint"),
    [("clicktype", "clickType"), ("click_type", "clickType"), ("selektor", "selector"), ("wait_time", "waitTime")],
)
def test_an_unknown_key_gets_a_hint(key, hint):
    """A misspelt key is a warning that names the key that was meant."""
    ((code, path, message, severity),) = sample.check({key: "x"}, "simulated")
    assert (code, path, severity) == ("bad_config", key, "warning")
    assert f"did you mean {hint}?" in message


def test_common_settings_are_no_strangers():
    """What every kind may have is not checked here."""
    assert not problems({"timeout": "x", "retry": 1, "onError": 1, "join": 1, "disabled": 1, "waitTime": "x"})


def test_a_common_setting_that_the_kind_declares_is_its_own():
    """A kind may have a timeout field of its own."""

    @attrs.frozen(kw_only=True)
    class Own:
        timeout: int = 1

    spec = node("own", config=Own)(sample.run)
    assert problems({"timeout": "x"}, spec=spec) == {"timeout": ("bad_config", "error")}


def test_a_real_driver_is_stricter():
    """Where something is really clicked, the selector is needed and the click type must be known."""
    assert not problems({})
    assert problems({"clickType": "lefft"}) == {"clickType": ("bad_config", "warning")}
    strict = {"selector": ("bad_config", "error"), "clickType": ("bad_config", "error")}
    assert problems({"clickType": "lefft"}, driver="browser") == strict
    assert not problems({"selector": "{{ vars.s }}", "clickType": "{{ vars.c }}"}, driver="browser")


def test_an_expression_defers_the_check_of_its_field():
    """What an expression will give is checked when it has; everything else is checked now."""
    config = {
        "nth": "{{ vars.n }}",
        "cases": "{{ vars.c }}",
        "limits": {"x": "{{ vars.n }}"},
        "names": 1,
        "mode": "{{ vars.m }}",
    }
    assert problems(config) == {"names": ("bad_config", "error")}
    prepared = sample.prepare(a_node({"nth": "{{ vars.n }}"}))
    assert prepared.resolve({"vars": {"n": "7"}}).nth == 7
    with pytest.raises(NodeError, match="node n1: nth: expected a number") as caught:
        prepared.resolve({"vars": {"n": "seven"}})
    assert caught.value.code == "bad_config"
    with pytest.raises(ExpressionError, match="node n1: nth: "):
        prepared.resolve({"vars": {}})


def test_fields_that_are_expressions_need_no_braces():
    """A case's expression may come bare or in braces."""
    for source in ("vars.n > 1", "{{ vars.n > 1 }}", True):
        prepared = sample.prepare(a_node({"cases": [{"port": "p", "expression": source}]}))
        assert prepared.resolve({"vars": {"n": 2}}).cases == (Case(port="p", expression=True),)


def test_a_constant_config_is_made_once():
    """Without expressions the scope is not asked, and the object is always the same."""

    def scope(name):
        raise AssertionError(name)

    prepared = sample.prepare(a_node({"clickType": "right"}))
    assert prepared.resolve(scope).click_type == "right"
    assert prepared.resolve(scope) is prepared.resolve(scope)
    assert prepared.references == {}


def test_a_bad_config_is_told_when_it_is_resolved():
    """A dry run waives `bad_config`, so preparing raises nothing; each attempt gets an error of its own."""
    for config in ({"nth": "x"}, {"nth": "{{ 1 + }}"}):
        prepared = sample.prepare(a_node(config))
        with pytest.raises(NodeError) as first:
            prepared.resolve({})
        with pytest.raises(NodeError) as second:
            prepared.resolve({})
        assert first.value is not second.value
        assert str(first.value) == str(second.value)
        assert first.value.code == second.value.code in ("bad_config", "bad_expression")


@pytest.mark.parametrize(
    ("key", "sent", "got"),
    [
        ("selector", 5, "5"),
        ("selector", 1.5, "1.5"),
        ("selector", True, "true"),
        ("nth", "3", 3),
        ("nth", 3.0, 3),
        ("nth", None, None),
        ("duration", "1.5", 1.5),
        ("duration", 2, 2.0),
        ("when", 5, 5),
        ("when", "now", "now"),
        ("flag", "true", True),
        ("flag", "false", False),
        ("names", ["a", 1], ["a", "1"]),
    ],
)
def test_what_editors_send_as_text_is_understood(key, sent, got):
    """Text is a number where a number is wanted, and the other way round; nothing else is bent."""
    assert not problems({key: sent})
    assert getattr(structure({key: sent}, SampleConfig), key) == got


@pytest.mark.parametrize(
    ("key", "sent"),
    [
        ("nth", True),
        ("nth", "1e400"),
        ("nth", "nan"),
        ("nth", 10**400),
        ("duration", "inf"),
        ("duration", []),
        ("flag", 1),
        ("flag", "True"),
        ("mode", True),
        ("names", {"a": 1}),
        ("limits", []),
        ("selector", None),
    ],
)
def test_nothing_else_is_bent(key, sent):
    """A value of another type is a problem at its own path."""
    assert problems({key: sent}) == {key: ("bad_config", "error")}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just("{{ vars.x }}"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.dictionaries(st.sampled_from([*map(wire_name, attrs.fields_dict(SampleConfig)), "x"]), JSON),
    st.sampled_from(["simulated", "browser"]),
)
def test_checking_never_raises_and_agrees_with_resolving(config, driver):
    """Any JSON is checked without an error; without errors and expressions, the config can be made."""
    found = sample.check(config, driver)
    prepared = sample.prepare(a_node(config))
    if not any(severity == "error" for *_, severity in found) and not prepared.references:
        assert isinstance(prepared.resolve({}), SampleConfig)


@given(st.dictionaries(st.text(max_size=8), JSON))
def test_builtin_checks_never_raise(config):
    """Whatever a client sends as the config of a built-in kind, it gets problems and no traceback."""
    for spec in Registry.builtin().kinds.values():
        for driver in ("simulated", "browser"):
            spec.check(config, driver)
        spec.ports_of(config)
        spec.prepare(a_node(config))


def test_schemas_for_editors():
    """Each kind's schema is valid JSON Schema, with the documentation, defaults and limits of its fields."""
    described = Registry.builtin().describe()
    for kind in described.values():
        jsonschema.Draft202012Validator.check_schema(kind["config"])
    schema = json_schema(SampleConfig)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["properties"]["selector"] == {"type": "string", "default": "", "description": "What to look at."}
    assert schema["properties"]["clickType"]["examples"] == ["left", "right"]
    assert schema["properties"]["duration"]["minimum"] == 0
    assert schema["properties"]["mode"] == {"enum": ["a", "b"], "default": "a"}
    assert schema["properties"]["cases"]["items"]["required"] == ["port", "expression"]
    jsonschema.validate({"nth": None, "limits": {"a": 1}, "when": 1.5}, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"nth": "x"}, schema)
    condition = described["condition"]
    assert condition["ports"] == ("true", "false")
    assert condition["waitTime"] == 1000
    assert "left" in condition["config"]["properties"]
    assert described["switch"]["ports"] == "depends on the config"
    assert described["set"]["config"] == {"type": "object", "additionalProperties": True}


def test_a_kind_spec_is_a_kind_for_the_validator():
    """protocol.graph asks a kind for its name, its ports and its problems."""
    assert isinstance(sample, KindSpec)
    assert sample.name == "sample"
    assert sample.ports_of({}) is None
    assert sample.check({}, "simulated") == []


def test_the_kinds_that_act_outside_say_how():
    """What `GET /api/kinds` tells editors of `http`, `command` and `input_request`: settings, defaults, treatment."""
    kinds = Registry.builtin().describe()
    http, command, asks = kinds["http"], kinds["command"], kinds["input_request"]
    assert [kind["ports"] for kind in (http, command, asks)] == [None, None, None]
    assert (http["interruptible"], http["effects"]) == ("depends on the config", "depends on the config")
    assert (command["interruptible"], command["effects"]) == (False, True)
    assert (asks["interruptible"], asks["effects"]) == (True, False)
    fields = http["config"]["properties"]
    assert list(fields) == ["method", "url", "headers", "query", "body", "json", "timeout"]
    assert http["config"]["required"] == ["url"]
    assert fields["method"]["examples"] == ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
    assert fields["headers"]["additionalProperties"] == {"type": "string"}
    assert (fields["timeout"]["default"], fields["timeout"]["minimum"]) == (30_000, 1)
    assert command["config"]["required"] == ["argv"]
    assert command["config"]["properties"]["argv"]["items"] == {"type": "string"}
    assert command["config"]["properties"]["check"]["default"] is True
    assert list(asks["config"]["properties"]) == ["prompt", "schema", "timeout"]
    for kind in kinds.values():
        jsonschema.Draft202012Validator.check_schema(kind["config"])
