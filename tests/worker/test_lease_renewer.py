import pytest

from qless_py.errors import AlreadyFinishedError, LostLeaseError
from qless_py.worker.lease_renewer import RenewalPlan
from qless_py.worker.status_board import LeasedJob


def held(number: int, since: float = 0.0, length: float = 60.0) -> LeasedJob:
    return LeasedJob(f"job-{number}", f"{number}.nonce", "queue", since, length)


def test_a_fresh_lease_is_not_renewed() -> None:
    assert RenewalPlan().due([held(1)], now=19.9) == []


def test_a_lease_is_renewed_when_a_third_of_it_is_gone() -> None:
    assert RenewalPlan().due([held(1)], now=20.1) == [held(1)]


def test_leases_due_soon_are_renewed_with_one_that_is_due() -> None:
    old, middle, young = held(1), held(2, since=8.0), held(3, since=18.0)

    assert RenewalPlan().due([old, middle, young], now=20.1) == [old, middle]


def test_a_renewed_lease_is_left_alone_for_another_third() -> None:
    plan = RenewalPlan()
    plan.record([held(1)], [123], now=20.0)

    assert plan.due([held(1)], now=39.0) == []
    assert plan.due([held(1)], now=41.0) == [held(1)]
    assert plan.due_in([held(1)], now=39.0) == pytest.approx(1.0)


def test_a_lease_is_lost_only_after_two_rejected_renewals() -> None:
    plan = RenewalPlan()

    first = plan.record([held(1)], [LostLeaseError()], now=20.0)
    asked_again = plan.due([held(1)], now=20.0)
    second = plan.record([held(1)], [LostLeaseError()], now=20.1)

    assert first == []
    assert asked_again == [held(1)]
    assert second == [held(1)]


def test_a_lost_lease_is_not_renewed_again_at_once() -> None:
    plan = RenewalPlan()
    plan.record([held(1)], [LostLeaseError()], now=20.0)
    plan.record([held(1)], [LostLeaseError()], now=20.1)

    assert plan.due([held(1)], now=20.2) == []
    assert plan.due_in([held(1)], now=20.1) == pytest.approx(20.0)


def test_a_rejected_renewal_is_forgotten_with_the_job() -> None:
    plan = RenewalPlan()
    plan.record([held(1)], [LostLeaseError()], now=20.0)

    plan.due([], now=20.1)

    assert plan.record([held(1)], [LostLeaseError()], now=20.2) == []


def test_a_finished_job_is_no_lost_job() -> None:
    plan = RenewalPlan()

    answers = [plan.record([held(1)], [AlreadyFinishedError()], now=20.0) for _ in range(3)]

    assert answers == [[], [], []]


def test_renewal_goes_on_as_long_as_the_job_is_held() -> None:
    plan = RenewalPlan()

    assert plan.due([held(1)], now=99.0) == [held(1)]
    assert plan.due([held(1)], now=100_000.0) == [held(1)]
    assert plan.due_in([held(1)], now=100_000.0) == 0
    assert plan.due_in([], now=100_000.0) == float("inf")


def test_a_lease_reported_lost_is_renewed_at_once_and_lost_if_rejected() -> None:
    plan = RenewalPlan()

    plan.suspect("1.nonce")

    assert plan.due_in([held(1)], now=1.0) == 0
    assert plan.due([held(1)], now=1.0) == [held(1)]
    assert plan.record([held(1)], [LostLeaseError()], now=1.1) == [held(1)]


def test_a_lease_wrongly_reported_lost_is_kept() -> None:
    plan = RenewalPlan()
    plan.suspect("1.nonce")

    assert plan.record([held(1)], [123], now=1.0) == []
    assert plan.record([held(1)], [LostLeaseError()], now=20.0) == []


def test_a_report_about_an_unknown_lease_is_forgotten() -> None:
    plan = RenewalPlan()
    plan.suspect("gone")

    assert plan.due([held(1)], now=1.0) == []
    assert plan.due_in([held(1)], now=1.0) == pytest.approx(19.0)


def test_a_report_that_arrives_before_the_lease_is_noted_is_kept_briefly() -> None:
    plan = RenewalPlan()
    plan.suspect("1.nonce")

    assert plan.due([], now=1.0) == []
    assert plan.due([held(1, since=1.1)], now=1.2) == [held(1, since=1.1)]
    assert plan.record([held(1, since=1.1)], [LostLeaseError()], now=1.3) == [held(1, since=1.1)]

    plan.suspect("2.nonce")
    plan.due([], now=2.0)
    plan.due([], now=8.0)
    assert plan.due([held(2, since=8.0)], now=8.1) == []


def test_after_a_lost_subscription_leases_are_renewed_at_once() -> None:
    plan = RenewalPlan()

    plan.renew_soon("1.nonce")

    assert plan.due_in([held(1)], now=1.0) == 0
    assert plan.due([held(1)], now=1.0) == [held(1)]
    assert plan.record([held(1)], [123], now=1.1) == []
    assert plan.due([held(1)], now=1.2) == []
