"""The chaos checker detects every kind of fault."""

from tests.chaos.checker import Ending, violations
from tests.chaos.ledger import Line, parse

GOOD = Ending("complete", ("put", "popped", "done"))


def lines(text: str) -> list[Line]:
    return list(parse(line.strip() for line in text.strip().splitlines()))


def test_a_job_that_ran_once_is_fine() -> None:
    ledger = lines("""acked a - 0
                      start a 1.x 7
                      end a 1.x 7""")

    found = violations(ledger, {"a": GOOD})

    assert found == type(found)()


def test_a_job_that_ran_twice_because_its_child_died_is_fine() -> None:
    ledger = lines("""acked a - 0
                      start a 1.x 7
                      start a 2.y 8""")
    ending = Ending("complete", ("put", "popped", "crashed", "popped", "done"))

    found = violations(ledger, {"a": ending})

    assert found == type(found)()


def test_an_acknowledged_job_that_is_gone_is_lost() -> None:
    assert violations(lines("acked a - 0"), {}).lost == ["a"]


def test_an_unsure_put_may_be_gone_or_done() -> None:
    found = violations(lines("unsure a - 0\nunsure b - 0\nstart b 1.x 7"), {"b": GOOD})

    assert found == type(found)()


def test_a_job_that_never_ended_is_stuck() -> None:
    found = violations(lines("acked a - 0"), {"a": Ending("running", ("put", "popped"))})

    assert found.stuck == ["a"]


def test_a_second_pop_without_a_reason_is_unexplained() -> None:
    ledger = lines("acked a - 0\nstart a 1.x 7\nstart a 2.y 8")

    found = violations(ledger, {"a": Ending("complete", ("put", "popped", "popped", "done"))})

    assert found.unexplained == ["a"]


def test_more_starts_than_pops_are_unexplained() -> None:
    ledger = lines("acked a - 0\nstart a 1.x 7\nstart a 2.y 8")

    assert violations(ledger, {"a": GOOD}).unexplained == ["a"]


def test_one_pop_started_twice_is_a_duplicate() -> None:
    ledger = lines("acked a - 0\nstart a 1.x 7\nstart a 1.x 8")

    assert violations(ledger, {"a": GOOD}).duplicated == ["a"]


def test_two_completions_are_a_duplicate() -> None:
    ending = Ending("complete", ("put", "popped", "done", "put", "popped", "done"))

    assert violations(lines("acked a - 0\nstart a 1.x 7"), {"a": ending}).duplicated == ["a"]


def test_a_completion_by_an_earlier_pop_is_late() -> None:
    ledger = lines("acked a - 0\nstart a 9.x 7\nstart a 10.y 8")
    steps = ("put", "popped", "timed-out", "popped", "done")

    assert violations(ledger, {"a": Ending("complete", steps, "9.x")}).late == ["a"]
    assert violations(ledger, {"a": Ending("complete", steps, "10.y")}).late == []


def test_a_job_that_nobody_put_is_a_ghost() -> None:
    assert violations(lines("start a 1.x 7"), {"a": GOOD}).ghosts == ["a"]
