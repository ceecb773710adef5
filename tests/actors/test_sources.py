"""Where settings come from: precedence, units, and mistakes that are told all at once."""

import attrs
import pytest

from actors.errors import SettingsError
from actors.settings import Settings
from actors.sources import load_settings, spell


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """An empty working directory: a `callboard.toml` of the developer's is not read."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def load(flags=None, *, config=None, **environ):
    """Settings from these flags, this file and exactly these variables."""
    return load_settings(flags, config=config, environ=environ)


def mistakes(flags=None, *, config=None, **environ):
    """What is told about them, line by line."""
    with pytest.raises(SettingsError) as caught:
        load(flags, config=config, **environ)
    return str(caught.value).splitlines()


def test_nothing_said_gives_the_defaults():
    """No file, no variable, no flag: what `Settings()` says."""
    assert load() == Settings()


def test_a_later_source_replaces_an_earlier_one(folder):
    """Defaults, then the file, then the environment, then flags."""
    (folder / "callboard.toml").write_text("max-nodes = 1\nmax_edges = 1\nmax-depth = 1\n")
    settings = load({"max_depth": "3"}, CALLBOARD_MAX_EDGES="2", CALLBOARD_MAX_DEPTH="2")
    assert (settings.max_nodes, settings.max_edges, settings.max_depth, settings.max_runs) == (1, 2, 3, 1_000)


def test_a_list_is_replaced_as_a_whole(folder):
    """A flag's ports do not add to those of the file."""
    (folder / "callboard.toml").write_text("port = [1, 2]\n")
    assert load().port == (1, 2)
    assert load({"port": ("3",)}).port == (3,)
    assert load({"port": ()}).port == (1, 2)


def test_a_flag_that_was_not_given_says_nothing():
    """None and an empty tuple are what click gives for it."""
    assert load({"host": None, "origin": (), "insecure": None}, CALLBOARD_HOST="::1").host == "::1"


def test_the_environment_writes_lists_with_commas():
    """Two origins in one variable."""
    assert load(CALLBOARD_ORIGIN="http://a.example, null").origin == ("http://a.example", "null")


def test_an_empty_variable_counts_as_not_set():
    """`CALLBOARD_TOKEN=${TOKEN:-}` in a compose file without TOKEN is no token, rather than an empty one."""
    assert load(CALLBOARD_TOKEN="", CALLBOARD_CONFIG="").token is None


def test_the_file_may_be_named(folder):
    """By the caller, else by CALLBOARD_CONFIG; then the one in the working directory is not read."""
    (folder / "callboard.toml").write_text("max-nodes = 1\n")
    (folder / "other.toml").write_text("max-nodes = 2\n")
    (folder / "third.toml").write_text("max-nodes = 3\n")
    assert load(CALLBOARD_CONFIG="other.toml").max_nodes == 2
    assert load(config="third.toml", CALLBOARD_CONFIG="other.toml").max_nodes == 3


def test_a_named_file_must_be_there():
    """A spelling mistake in --config does not silently start a server with the defaults."""
    assert mistakes(config="nowhere.toml") == ["nowhere.toml: No such file or directory"]


def test_a_file_that_is_not_toml_says_where(folder):
    """The line of the mistake."""
    (folder / "callboard.toml").write_text("port = 1\nhost = \n")
    (told,) = mistakes()
    assert told.startswith("callboard.toml: ")
    assert "line 2" in told


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("10", 10.0), ("2.5", 2.5), ("10s", 10.0), ("250ms", 0.25), ("2m", 120.0), ("1 h", 3600.0), ("inf", float("inf"))],
)
def test_durations_have_units(text, seconds):
    """Plain numbers are seconds."""
    assert load(CALLBOARD_PING_TIMEOUT=text).ping_timeout == seconds
    assert load({"ping_timeout": text}).ping_timeout == seconds


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1000", 1000),
        ("256KiB", 262_144),
        ("16mib", 16_777_216),
        ("1.5 KiB", 1536),
        ("1MB", 1_000_000),
        ("1GiB", 2**30),
    ],
)
def test_sizes_have_units(text, size):
    """Plain numbers are bytes."""
    assert load(CALLBOARD_OUTBOX=text).outbox == size


def test_a_file_may_write_numbers_or_text(folder):
    """`"10s"` means there what it means as a flag."""
    (folder / "callboard.toml").write_text(
        'ping-timeout = "10s"\nheartbeat = 5\nhistory-runs = "all"\ninsecure = true\n'
    )
    settings = load()
    assert (settings.ping_timeout, settings.heartbeat, settings.history_runs, settings.insecure) == (
        10.0,
        5.0,
        None,
        True,
    )


def test_all_mistakes_are_told_at_once_each_with_its_source(folder):
    """Nobody repairs them one start at a time."""
    (folder / "callboard.toml").write_text('max-nodes = "many"\nmax-node = 3\n')
    told = mistakes({"port": ("8765", "99999")}, CALLBOARD_PRT="1", CALLBOARD_HEARTBEAT="soon", CALLBOARD_INSECURE="2")
    assert told == [
        "callboard.toml: max-node: unknown setting; did you mean max_nodes?",
        "CALLBOARD_PRT: unknown setting; did you mean CALLBOARD_PORT?",
        "callboard.toml: max-nodes: must be a number, not 'many'",
        "CALLBOARD_HEARTBEAT: must be like 10s, 250ms or 2m, not 'soon'",
        "CALLBOARD_INSECURE: must be true or false, not '2'",
        "--port: must be 0–65535, not 99999",
    ]


@pytest.mark.parametrize("value", ["1.5", "true", "1e3", "", "٣ apples", "0x10"])
def test_a_whole_number_is_one(value):
    """What is not written as a whole number is refused (and an empty flag is not zero)."""
    assert len(mistakes({"max_nodes": value})) == 1


def test_a_number_in_the_file_is_not_a_truth_value(folder):
    """TOML's `true` is not 1."""
    (folder / "callboard.toml").write_text("max-nodes = true\n")
    assert mistakes() == ["callboard.toml: max-nodes: must be a number, not True"]


def test_secrets_and_foreign_variables_are_left_alone():
    """CALLBOARD_SECRET_… belongs to expressions, CALLBOARD without an underscore to nobody."""
    assert load(CALLBOARD_SECRET_MAIL="x", CALLBOARD="y", PATH="z") == Settings()


def test_the_variables_of_kubernetes_are_explained():
    """A service called callboard makes Kubernetes set CALLBOARD_PORT=tcp://…; the way out is told."""
    told = mistakes(CALLBOARD_PORT="tcp://10.0.0.1:8765", CALLBOARD_SERVICE_HOST="10.0.0.1")
    assert any("enableServiceLinks" in line for line in told)


@pytest.mark.parametrize("source", ["file", "environment", "flag"])
def test_a_wrong_token_is_not_repeated(folder, source):
    """A mistake in a secret is told without it."""
    if source == "file":
        (folder / "callboard.toml").write_text("token = 31337\n")
        told = mistakes()
    elif source == "environment":
        told = mistakes(CALLBOARD_TOKEN="31337 x")
    else:
        told = mistakes({"token": "31337 x"})
    assert len(told) == 1
    assert "31337" not in told[0]


def test_a_reachable_host_without_a_token_is_refused():
    """The rule of `Settings` arrives as the command's own error."""
    (told,) = mistakes({"host": "0.0.0.0"})
    assert "--insecure" in told
    assert load({"host": "0.0.0.0", "insecure": True}).host == "0.0.0.0"


def test_what_help_prints_can_be_given_back():
    """Every spelled default, given as a flag, is that default."""
    spelled = {field.name: spell(field) for field in attrs.fields(Settings)}
    assert load({name: text for name, text in spelled.items() if text}) == Settings()
    assert spelled["max_message"] == "16MiB"
    assert spelled["head_timeout"] == "10s"
