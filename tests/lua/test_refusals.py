"""Every error named in a header is raised, with its code, and changes nothing."""

from __future__ import annotations

import pytest

from qless_py.scripts import protocol_doc, assemble
from qless_py.errors import BY_CODE, BadArgumentError, QlessError
from tests.lua.refusals import LIMIT, refusals
from tests.population import lease_of, populate
from tests.script_runner import Scripts

NAMED = {name: set(protocol_doc.read(name).errors) for name in assemble.names()}
CASES = [(name, code) for name, codes in refusals("").items() for code in codes if name in NAMED]
# These have no argument of their own that could be wrong: a time that is missing has to do.
WITHOUT_ARGUMENTS = (
    "tick",
    "read/config",
    "read/deploys",
    "read/klasses",
    "read/meta",
    "read/tokens",
    "read/webhooks",
)


@pytest.fixture
def populated(call: Scripts) -> Scripts:
    """Run scripts in a namespace with jobs in every state."""
    populate(call)
    call("put", "work", "needs", "K", "{}", {"depends": ["runs"]})
    call("put", "work", "loop", "K", "{}", {"depends": ["parent"]})
    call("config_set", "max-data-size", str(LIMIT))
    call.redis.hset("{ql}:meta", "config:event-stream", "0")
    call("worker_died", "worker", "dead", "", "killed")
    return call


@pytest.mark.parametrize(("name", "code"), CASES)
def test_a_refusal_has_its_own_name_and_leaves_every_byte_as_it_was(
    populated: Scripts, name: str, code: str
) -> None:
    arguments = refusals(lease_of(populated, "runs"))[name][code]
    before = populated.redis.execute_command("DEBUG", "DIGEST")

    with pytest.raises(QlessError) as refused:
        _ = populated.send(name) if name in WITHOUT_ARGUMENTS else populated(name, *arguments)

    assert (refused.type, code) == (BY_CODE[code], code)
    assert populated.redis.execute_command("DEBUG", "DIGEST") == before


def test_the_name_of_a_refusal_is_the_first_word_of_what_the_script_answers(call: Scripts) -> None:
    with pytest.raises(BadArgumentError, match=r"^priority is not a finite number$"):
        call("put", "q", "j", "K", "{}", {"priority": "high"})


@pytest.mark.parametrize("name", sorted(NAMED))
def test_every_error_in_a_header_is_raised_by_a_test_and_the_reverse(name: str) -> None:
    raised = {code for case, code in CASES if case == name}

    assert raised == NAMED[name]
