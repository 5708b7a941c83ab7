from pathlib import Path

import pytest

from qless_py import Client, errors, package
from qless_py.protocol import options
from qless_py.scripts import assemble, protocol_doc

HEADER = """\
-- complete(now, request, jid, lease, options, data...) -> {state, jobs}
-- Ends a running job for good, or not at all,
-- and releases its dependents.
-- Errors: NOJOB, LOSTLEASE, FINISHED,
--   BADARG
-- Events: completed
-- Flags: allow-oom

local job = require("lib.job")
"""


def test_every_part_of_a_header_is_parsed() -> None:
    header = protocol_doc.parse("complete", HEADER)

    assert header == protocol_doc.Header(
        name="complete",
        arguments=("now", "request", "jid", "lease", "options"),
        variadic="data",
        reply="{state, jobs}",
        guarantee="Ends a running job for good, or not at all, and releases its dependents.",
        errors=("NOJOB", "LOSTLEASE", "FINISHED", "BADARG"),
        events=("completed",),
        flags="allow-oom",
    )
    assert header.signature == "complete(now, request, jid, lease, options, data…)"


def test_a_query_needs_no_flags() -> None:
    header = protocol_doc.parse("read/job", "-- job(now, jid) -> view or nil\n-- One job.\n")

    assert (header.flags, header.errors, header.variadic) == ("no-writes", (), "")


@pytest.mark.parametrize(
    "text", ["", "local x = 1\n", "-- pop(now) -> jobs\n-- Takes.\n", "-- put(now) -> jid\n"]
)
def test_a_file_without_its_header_is_rejected(text: str) -> None:
    with pytest.raises(assemble.ScriptError, match=r"put\.lua"):
        protocol_doc.parse("put", text)


def test_only_the_generated_part_of_the_document_is_replaced() -> None:
    old = f"# Title\n\n{protocol_doc.BEGIN}\nwhat it was\n{protocol_doc.END}\n\nafter\n"

    new = protocol_doc.document(old)

    assert new.startswith("# Title\n\n")
    assert new.endswith(f"{protocol_doc.END}\n\nafter\n")
    assert "what it was" not in new
    assert protocol_doc.document(new) == new


def test_the_document_is_not_stale() -> None:
    file = package.path("lua").parent / "docs" / "protocol.md"

    text = file.read_text()

    assert protocol_doc.document(text) == text, "run bin/protocol --write"


def test_the_exported_library_is_the_one_that_clients_load(tmp_path: Path) -> None:
    protocol_doc.main(["--library", str(tmp_path / "library.lua")])

    assert (tmp_path / "library.lua").read_text() == assemble.library().text


@pytest.mark.parametrize("words", [["--library"], ["--library", ""], ["--rite"], ["x", "y"]])
def test_invalid_arguments_print_the_usage(words: list[str]) -> None:
    with pytest.raises(SystemExit, match="usage"):
        protocol_doc.main(words)


def _row(word: str) -> str:
    text = (package.path("lua").parent / "docs" / "protocol.md").read_text()
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    found = [line for line in rows if f"`{word}`" in line.split("|")[1]]
    assert found, f"docs/protocol.md has no row for {word}"
    return found[0]


@pytest.mark.parametrize("code", sorted(errors.BY_CODE))
def test_the_document_says_what_each_code_means(code: str) -> None:
    assert _row(code)


@pytest.mark.parametrize(
    "option", sorted(options.PutOptions.__annotations__.keys() - {"jid", "unique_key"})
)
def test_the_document_says_what_each_option_of_a_put_means(option: str) -> None:
    sent = {"unique_scope": "unique", "unique_window": "unique", "attempts": "retry"}
    assert _row(sent.get(option, option))


def test_the_document_says_each_config_option_with_its_default(client: Client) -> None:
    for option, value in client.config.all.items():
        assert _row(option).split("|")[2].strip() == str(value)
