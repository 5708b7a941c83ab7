"""Precedence of settings file, environment and flags, and which values are rejected."""

from __future__ import annotations

import tomllib
from pathlib import Path

import click
import pytest

import qless_py
import qless_py.aio
from qless_py import Client, ConfigError
from qless_py.cli import cli
from qless_py.cli.context import CliContext
from qless_py.store import settings_file, urls
from tests import servers
from tests.cli.conftest import Program

FILE = """\
url = "redis://file/0"
namespace = "from-file"

[work]
queue = ["a", "b"]
grace = 7

[environments.production]
url = "redis://production/0"
work.grace = 9
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "qless-py.toml"
    path.write_text(FILE)
    return path


def test_the_nearest_file_is_used(tmp_path: Path, file: Path) -> None:
    below = tmp_path / "one" / "two"
    below.mkdir(parents=True)
    assert settings_file.find(below) == file

    (below.parent / "pyproject.toml").write_text("[project]\nname = 'somebody else'\n")
    assert settings_file.find(below) == file

    (below.parent / "pyproject.toml").write_text("[tool.qless-py]\nnamespace = 'mine'\n")
    assert settings_file.find(below) == below.parent / "pyproject.toml"
    assert settings_file.load(folder=below, environ={}).namespace == "mine"


def test_a_file_may_be_named(tmp_path: Path, file: Path) -> None:
    other = tmp_path / "other.toml"
    other.write_text('namespace = "other"')

    assert settings_file.load(other, environ={}).namespace == "other"
    assert settings_file.load(environ={"QLESS_PY_CONFIG": str(other)}).namespace == "other"
    assert settings_file.load(file, environ={"QLESS_PY_CONFIG": str(other)}).path == file


def test_an_environment_overrides_key_by_key(file: Path) -> None:
    plain = settings_file.load(file, environ={})
    by_name = settings_file.load(file, "production", environ={})
    by_variable = settings_file.load(file, environ={"QLESS_PY_ENV": "production"})

    assert (plain.url, plain.sections["work"]["grace"]) == ("redis://file/0", 7)
    assert by_name == by_variable
    assert (by_name.url, by_name.namespace) == ("redis://production/0", "from-file")
    assert by_name.sections["work"] == {"queue": ["a", "b"], "grace": 9}


def test_the_file_may_name_its_environment(file: Path) -> None:
    file.write_text(f'environment = "production"\n{FILE}\n[environments.test]\nnamespace = "t"\n')

    assert settings_file.load(file, environ={}).url == "redis://production/0"
    assert settings_file.load(file, "test", environ={}).namespace == "t"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("url = 1", "url"),
        ("[", "TOML"),
        ("environment = 'none'", "none"),
        ("environments = 1", "environments"),
        ("[environments]\nproduction = 1", "production"),
        ("environment = 'a'\n[environments.a]\nenvironment = 'b'", "inside"),
        ("environment = 'producton'\n[environments.production]\n", "did you mean 'production'?"),
    ],
)
def test_a_file_that_cannot_be_used_says_why(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "qless-py.toml"
    path.write_text(text)

    with pytest.raises(ConfigError, match=message.replace("?", r"\?")):
        settings_file.load(path, environ={})


def test_no_file_is_no_error_unless_an_environment_is_wanted(tmp_path: Path) -> None:
    assert settings_file.load(folder=tmp_path, environ={}) == settings_file.FileSettings()
    with pytest.raises(ConfigError, match="production"):
        settings_file.load(None, "production", folder=tmp_path, environ={})
    with pytest.raises(ConfigError, match="cannot read"):
        settings_file.load(tmp_path / "none.toml", environ={})


def test_the_library_takes_the_store_from_the_file_last(file: Path) -> None:
    both = {"QLESS_PY_URL": "redis://ours/0", "REDIS_URL": "redis://theirs/0"}
    del both["QLESS_PY_URL"]

    assert urls.resolve("redis://given/0", environ={}) == "redis://given/0"
    assert urls.resolve(environ=both) == "redis://theirs/0"
    assert urls.resolve(environ={}) == "redis://file/0"
    assert urls.resolve(environ={"QLESS_PY_ENV": "production"}) == "redis://production/0"
    file.unlink()
    assert urls.resolve(environ={"HOME": "/h"}).startswith("embedded://")


def test_the_library_takes_the_namespace_from_where_the_program_does(
    file: Path, monkeypatch: pytest.MonkeyPatch, server: servers.Server
) -> None:
    def names() -> set[str]:
        made = [kind(server.url) for kind in (qless_py.Client, qless_py.aio.Client)]
        return {one.namespace for one in made}

    assert names() == {"from-file"}
    monkeypatch.setenv("QLESS_PY_NAMESPACE", "from-variable")
    assert names() == {"from-variable"}
    assert qless_py.Client(server.url, namespace="given").namespace == "given"
    with pytest.raises(qless_py.BadArgumentError):
        qless_py.Client(server.url, namespace="")
    monkeypatch.delenv("QLESS_PY_NAMESPACE")
    file.unlink()
    assert names() == {"ql"}


@pytest.mark.parametrize(
    ("words", "environment", "url"),
    [
        ([], {}, "redis://file/0"),
        (["--environment", "production"], {}, "redis://production/0"),
        ([], {"REDIS_URL": "redis://theirs/0"}, "redis://theirs/0"),
        (
            [],
            {"REDIS_URL": "redis://theirs/0", "QLESS_PY_URL": "redis://ours/0"},
            "redis://ours/0",
        ),
        (["--url", "redis://flag/0"], {"QLESS_PY_URL": "redis://ours/0"}, "redis://flag/0"),
    ],
)
def test_flags_beat_the_environment_and_that_beats_the_file(
    file: Path, words: list[str], environment: dict[str, str], url: str
) -> None:
    del file
    shown = Program(None)("config", "check", *words, code=0, stdin=None, **environment).stdout

    assert url in shown


def grace(*words: str, **environment: str) -> object:
    """Return the grace that a worker would have, without starting it."""
    with pytest.MonkeyPatch.context() as patch:
        for variable, value in environment.items():
            patch.setenv(variable, value)
        root = cli.make_context("qless-py", list(words), obj=CliContext())
        name, command, rest = cli.resolve_command(root, [*root._protected_args, *root.args])
        assert command is not None
        with root:
            return command.make_context(name, rest, parent=root).params["grace"]


@pytest.mark.parametrize(
    ("words", "environment", "expected"),
    [
        (["work"], {}, 7),
        (["--environment", "production", "work"], {}, 9),
        (["work", "--environment", "production"], {}, 9),
        (["work"], {"QLESS_PY_ENV": "production"}, 9),
        (["work"], {"QLESS_PY_WORK_GRACE": "11"}, 11),
        (["work", "--grace", "13"], {"QLESS_PY_WORK_GRACE": "11"}, 13),
        (["work", "--config", "empty.toml", "--queue", "a"], {}, 25),
    ],
)
def test_options_of_commands_come_from_flag_environment_file_default(
    file: Path, words: list[str], environment: dict[str, str], expected: float
) -> None:
    (file.parent / "empty.toml").write_text("")

    assert grace(*words, **environment) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[wrok]\n", "did you mean 'work'?"),
        ("[work]\nqueus = ['a']", "did you mean 'queues'?"),
        ("[work.queue]\na = 1", "queue must be text, not a table"),
        ("work = 1", "[work] is not a table"),
        ("urk = 'x'", "did you mean 'url'?"),
        ("[work]\nchildren = [1]", "children must be a whole number, not a list"),
        ("[work]\nqueues = [['a']]", "queues must be text, not a list in the list"),
        ("[work]\ngrace = 2026-01-01", "grace must be text or a number, not 2026-01-01"),
        ("environment = ['a']", "environment must be text"),
        ("[work]\nchildren = 2.0", "children must be a whole number, not 2.0"),
        ("[work]\nchildren = '2'", "children must be a whole number, not '2'"),
        ("[work]\nchildren = true", "children must be a whole number, not true"),
        (f"[work]\nchildren = {'9' * 30}", "children must be a whole number"),
        (f"[work]\ngrace = {'9' * 400}", "grace must be text or a number, not 999"),
        ("[work]\ngrace = nan", "grace must be text or a number, not nan"),
        ("[work]\ngrace = -1", "grace"),
        ("[work]\ninterval = -inf", "interval must be text or a number, not -inf"),
        ("[work]\ninterval = -1", "interval"),
        ("[work]\nmax-memory = false", "max-memory must be text or a number, not false"),
        ("[work]\nburst = 1", "burst must be true or false, not 1"),
        ("[work]\nburst = 'yes'", "burst must be true or false, not 'yes'"),
        ("[work]\nisolation = 5", "isolation must be text, not 5"),
        ("[work]\nimport = ['a', 5]", "import must be text, not 5 in the list"),
        ("[work]\nweight = [5]", "weight must be text, not 5 in the list"),
        ("[work]\nqueue = ['a']\nqueues = ['b']", "queues and another key set the same option"),
        ("work = ['a']", "[work] is not a table"),
        ("namespace = 5", "namespace must be text"),
        (f"a = {'[' * 5000}", "nested too deeply"),
        ("url = 'redis://\\u0007'", "Error"),
    ],
)
def test_unknown_keys_are_errors_with_a_suggestion(
    program: Program, tmp_path: Path, text: str, message: str
) -> None:
    (tmp_path / "qless-py.toml").write_text(text)

    ended = program("work", "--queue", "a", code=2)

    assert message in ended.stderr
    assert ended.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[recur.snyc]\n", "[recur]: unknown key 'snyc': did you mean 'sync'?"),
        ("recur = 1", "[recur] is not a table"),
        ("[recur.list]\nqueu = 'a'", "[recur.list]: unknown key 'queu': did you mean 'queue'?"),
    ],
)
def test_keys_are_checked_on_the_way_to_the_command(
    program: Program, tmp_path: Path, text: str, message: str
) -> None:
    (tmp_path / "qless-py.toml").write_text(text)

    assert message in program("recur", "list", code=2).stderr


def test_a_file_that_cannot_be_read_is_named_in_one_line(program: Program, tmp_path: Path) -> None:
    (tmp_path / "latin.toml").write_bytes(b"namespace = '\xe9'")
    (tmp_path / "qless-py.toml").mkdir()  # No file, so not what is meant.

    program("queues")
    for name in ("latin.toml", "qless-py.toml", "none.toml"):
        ended = program("queues", "--config", name, code=2)
        assert f"cannot read {name}" in ended.stderr
        assert ended.stderr.count("\n") == 1


def test_of_both_files_in_a_folder_ours_is_used(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.qless-py]\nnamespace = 'theirs'\n")
    (tmp_path / "qless-py.toml").write_text("namespace = 'ours'")

    assert settings_file.load(folder=tmp_path, environ={}).namespace == "ours"


def test_another_tools_file_may_be_wrong_in_one_line(program: Program, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("tool = 5  # tool.qless-py")

    ended = program("queues", code=2)

    assert "tool is not a table" in ended.stderr
    assert ended.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "text",
    [
        "[work]\ngrace = 'long'",
        "[recur.snyc]\n",
        "[recur.sync]\nprun = 'x'",
        "[jobs]\nstate = ['broken']",
        "recur = 1",
        "[environments.a]\nwrok.grace = 1",
        "[environments.a.work]\nqueus = 'b'",
        "[environments.a.work]\nchildren = 1.5",
        "[environments.a]\nenvironment = 'b'",
    ],
)
def test_check_finds_what_other_commands_would_not_look_at(
    program: Program, tmp_path: Path, text: str
) -> None:
    (tmp_path / "qless-py.toml").write_text(text)

    program("config", "check", code=2)


def test_check_shows_no_password(tmp_path: Path) -> None:
    (tmp_path / "qless-py.toml").write_text('url = "redis://me:secret@host/0"')

    shown = Program(None)("config", "check").stdout

    assert "redis://me:***@host/0" in shown
    assert "secret" not in shown


def test_help_is_there_whatever_the_file_says(program: Program, tmp_path: Path) -> None:
    (tmp_path / "qless-py.toml").write_text("[")

    program("queues", "--help")
    program("queues", code=2)


def test_init_writes_a_file_that_says_what_is_assumed_anyway(
    program: Program, tmp_path: Path
) -> None:
    program("config", "init", QLESS_PY_URL="")

    path = tmp_path / "qless-py.toml"
    assert tomllib.loads(path.read_text()) == {"work": {}}
    assert "# grace = 25.0" in path.read_text()
    assert path.stat().st_mode & 0o077 == 0
    program("config", "check")
    program("config", "init", code=1)
    program("config", "init", "--force")


def test_each_option_in_a_written_file_can_be_switched_on(program: Program, tmp_path: Path) -> None:
    program("config", "init", "all.toml", QLESS_PY_URL="")
    text = (tmp_path / "all.toml").read_text().partition("# [environments")[0]
    lines = [
        line.removeprefix("# ") if " = " in line and not line.endswith('""') else line
        for line in text.splitlines()
    ]
    (tmp_path / "all.toml").write_text(
        "\n".join(lines).replace('environment = "', '# "').replace('app = "', '# "')
    )

    program("config", "check", "--config", "all.toml")


def test_the_store_in_the_file_is_used(
    server: servers.Server, live: Client, tmp_path: Path
) -> None:
    live.queues["mail"].put("app.Send")
    (tmp_path / "qless-py.toml").write_text(f'url = "{server.url}"')

    assert "mail" in Program(None)("queues").stdout


def test_every_option_of_a_command_may_stand_in_the_file() -> None:
    context = click.Context(cli)
    command = cli.get_command(context, "work")
    assert command is not None

    assert {"queue", "queues", "import", "grace", "children"} <= set(command.keys())  # type: ignore[attr-defined]
