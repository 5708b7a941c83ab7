import pytest

from qless_py import assets, protocol_doc, scripts

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


def test_a_header_is_read_as_it_is_written() -> None:
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
def test_a_file_without_its_header_is_refused(text: str) -> None:
    with pytest.raises(scripts.ScriptError, match=r"put\.lua"):
        protocol_doc.parse("put", text)


def test_only_the_generated_part_of_the_document_is_written_anew() -> None:
    old = f"# Title\n\n{protocol_doc.BEGIN}\nwhat it was\n{protocol_doc.END}\n\nafter\n"

    new = protocol_doc.document(old)

    assert new.startswith("# Title\n\n")
    assert new.endswith(f"{protocol_doc.END}\n\nafter\n")
    assert "what it was" not in new
    assert protocol_doc.document(new) == new


def test_the_document_is_not_stale() -> None:
    file = assets.path("lua").parent / "docs" / "protocol.md"

    text = file.read_text()

    assert protocol_doc.document(text) == text, "run bin/protocol --write"
