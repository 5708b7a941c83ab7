"""Defining workflows, and what is rejected before anything is put."""

import pytest

from qless_py.client.workflow import Step, Workflow, chain, group, step
from qless_py.errors import AlreadyExistsError, BadArgumentError, CycleError


def edges(workflow: Workflow) -> dict[str, dict[str, str]]:
    return {one.name: dict(one.after) for one in workflow.plan()}


def s(name: str | None = None) -> Step:
    return step("work", "K", name=name)


def test_each_part_of_a_chain_comes_after_the_one_before() -> None:
    assert edges(Workflow("w", chain(s("a"), s("b"), s("c")))) == {
        "a": {},
        "b": {"a": "fail"},
        "c": {"b": "fail"},
    }


def test_the_callback_of_a_group_comes_when_all_have_ended_in_whatever_way() -> None:
    assert edges(Workflow("w", group(s("a"), s("b"), callback=s("c")))) == {
        "a": {},
        "b": {},
        "c": {"a": "run", "b": "run"},
    }


def test_parts_nest_and_are_called_by_their_place() -> None:
    workflow = Workflow("w").step("first", "work", "K")
    inner = group(s(), chain(s(), s(), policy="cancel"), callback=s())
    workflow.add("middle", chain(s(), inner, s(), policy="wait"), after="first")
    workflow.step("last", "work", "K", after={"middle": "run"})

    assert edges(workflow) == {
        "first": {},
        "middle.1": {"first": "fail"},
        "middle.2.1": {"middle.1": "wait"},
        "middle.2.2.1": {"middle.1": "wait"},
        "middle.2.2.2": {"middle.2.2.1": "cancel"},
        "middle.2.callback": {"middle.2.1": "run", "middle.2.2.2": "run"},
        "middle.3": {"middle.2.callback": "wait"},
        "last": {"middle.3": "run"},
    }


def test_an_empty_part_is_skipped() -> None:
    assert edges(Workflow("w", chain(s("a"), group(), chain(), s("b")))) == {
        "a": {},
        "b": {"a": "fail"},
    }
    assert edges(Workflow("w", group(callback=s("a")))) == {"a": {}}
    assert edges(Workflow("w", chain(group(), s("a"), group(callback=s("b"))))) == {
        "a": {},
        "b": {"a": "fail"},
    }
    assert edges(Workflow("w")) == {}


def test_a_step_may_name_others_that_are_added_later() -> None:
    workflow = Workflow("w").step("b", "work", "K", after=["a"]).step("a", "work", "K")

    assert edges(workflow) == {"a": {}, "b": {"a": "fail"}}


def test_a_cycle_is_rejected_with_its_path() -> None:
    workflow = Workflow("w").step("start", "work", "K")
    workflow.step("a", "work", "K", after=["start", "c"])
    workflow.step("b", "work", "K", after="a")
    workflow.step("c", "work", "K", after="b").step("end", "work", "K", after="c")

    with pytest.raises(CycleError, match=r"a -> b -> c -> a|b -> c -> a -> b|c -> a -> b -> c"):
        workflow.plan()


def test_a_step_cannot_come_after_itself() -> None:
    with pytest.raises(CycleError, match="a -> a"):
        Workflow("w").step("a", "work", "K", after="a").plan()


def test_empty_groups_after_each_other_are_a_cycle_too() -> None:
    workflow = Workflow("w").add("a", group(), after="b").add("b", group(), after="a")
    workflow.step("c", "work", "K", after="a")

    with pytest.raises(CycleError, match="a -> b -> a"):
        workflow.plan()


def test_an_unknown_step_is_rejected_with_the_place_where_it_is_named() -> None:
    workflow = Workflow("w").step("a", "work", "K").step("b", "work", "K", after="nobody")

    with pytest.raises(BadArgumentError, match=r"b \(number 2\) comes after nobody"):
        workflow.plan()


def test_a_name_that_is_taken_is_rejected_with_both_places_and_nothing_is_added() -> None:
    workflow = Workflow("w").step("a", "work", "K").step("b", "work", "K")

    with pytest.raises(AlreadyExistsError, match="two steps a: number 1 and number 3"):
        workflow.step("a", "work", "K")
    with pytest.raises(AlreadyExistsError, match="two steps b"):
        workflow.add("more", chain(s("c"), s("b")))

    assert list(edges(workflow)) == ["a", "b"]


def test_a_step_waits_for_a_thousand_others_at_most() -> None:
    workflow = Workflow("w", chain(group(*(s() for _ in range(1001))), s("late")))

    with pytest.raises(BadArgumentError, match="late waits for 1001 others"):
        workflow.plan()


@pytest.mark.parametrize(
    "options", [{"depends": ["x"]}, {"jid": "x"}, {"batch": "b"}, {"unique_key": "k"}]
)
def test_a_step_does_not_say_what_the_workflow_says(options: dict[str, str]) -> None:
    with pytest.raises(BadArgumentError, match=next(iter(options))):
        step("work", "K", **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["", "a b", "a:b", "x" * 61, 5])
def test_the_name_of_a_workflow_fits_into_jids(name: str) -> None:
    with pytest.raises(BadArgumentError):
        Workflow(name)


@pytest.mark.parametrize("name", ["", "a b", "x" * 61])
def test_the_name_of_a_step_fits_into_jids(name: str) -> None:
    with pytest.raises(BadArgumentError):
        Workflow("w").step(name, "work", "K")
    with pytest.raises(BadArgumentError):
        step("work", "K", name=name)


def test_invalid_values_are_rejected_by_name() -> None:
    with pytest.raises(BadArgumentError, match="policy"):
        chain(s(), policy="dream")  # type: ignore[arg-type]
    with pytest.raises(BadArgumentError, match="policy"):
        Workflow("w").step("a", "work", "K", after={"b": "dream"})
    with pytest.raises(BadArgumentError, match="no step"):
        chain("a")  # type: ignore[arg-type]
    with pytest.raises(BadArgumentError, match="no step"):
        group(callback=5)  # type: ignore[arg-type]
    with pytest.raises(BadArgumentError, match="queue"):
        step("a b", "K")
    with pytest.raises(BadArgumentError, match="priority"):
        step("work", "K", priority=float("nan"))
