"""Retry policies: which exceptions are retried, when, and how often."""

from __future__ import annotations

from typing import Any

import pytest

from qless_py import (
    Backoff,
    BadArgumentError,
    Client,
    DependencyError,
    Job,
    Retry,
    RetryPolicy,
    RetryRule,
    protocol,
    retry,
)
from qless_py.handlers.executor import HandlerOptions
from qless_py.handlers.resolve import HandlerNotAllowedError
from qless_py.handlers.retry import RECONNECT, Tries
from qless_py.testing import perform
from tests.conftest import Clock
from tests.handlers import jobs
from tests.handlers.jobs import CustomError, NarrowError

FRESH = Tries(0, 0, {})


def taken(client: Client, klass: Any, data: Any = None, **options: Any) -> Job:
    client.queues["q"].put(klass, data, jid="j", **options)
    return again(client)


def again(client: Client) -> Job:
    job = client.queues["q"].pop()
    assert job is not None
    return job


def found(client: Client) -> Job:
    job = client.jobs["j"]
    assert isinstance(job, Job)
    return job


def wait(client: Client, clock: Clock) -> float | None:
    """Return how long the job has to wait, `None` if it has failed."""
    job = found(client)
    if job.state == "failed":
        return None
    return 0 if job.due_at is None else round(job.due_at - clock.now, 3)


@pytest.mark.parametrize(
    ("backoff", "waits"),
    [
        (Backoff.fixed(7), [7, 7, 7]),
        (Backoff.exponential(2, 3, 15, jitter=0), [2, 6, 15]),
        (Backoff.custom(lambda number, error: number + len(str(error))), [4, 5, 6]),
        (Backoff.exponential(1, 1000, jitter=0), [1, 1000, 3600]),
    ],
)
def test_the_wait_is_what_the_formula_says(backoff: Backoff, waits: list[float]) -> None:
    assert [backoff.seconds(number, ValueError("abc")) for number in (1, 2, 3)] == waits


def test_the_thousandth_wait_is_still_a_number() -> None:
    assert Backoff.exponential(1, 1000, 9, jitter=0).seconds(1000, ValueError()) == 9


@pytest.mark.parametrize(("jitter", "least"), [(1.0, 0.0), (0.5, 4.0), (0.1, 7.2)])
def test_jitter_shortens_a_wait_by_at_most_its_share(jitter: float, least: float) -> None:
    backoff = Backoff.exponential(1, 2, 8, jitter)

    waits = [backoff.seconds(10, ValueError()) for _ in range(300)]

    assert least <= min(waits) < max(waits) <= 8
    assert max(waits) - min(waits) > (8 - least) / 2


def test_the_wait_for_the_store_doubles_up_to_five_seconds() -> None:
    for number, longest in ((1, 0.05), (2, 0.1), (3, 0.2), (8, 5), (1000, 5)):
        assert longest / 2 <= RECONNECT.seconds(number) <= longest


def test_processes_that_lost_the_store_together_do_not_wait_together() -> None:
    waits = {RECONNECT.seconds(5) for _ in range(20)}

    assert len(waits) > 10


def test_a_custom_backoff_may_be_asked_without_an_exception() -> None:
    def waits(number: int, error: Any) -> float:
        return number if error is None else 0

    assert Backoff.custom(waits).seconds(3) == 3


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Backoff.fixed(-1),
        lambda: Backoff.fixed(float("nan")),
        lambda: Backoff.exponential(factor=0.5),
        lambda: Backoff.exponential(jitter=1.5),
        lambda: Backoff.of({"last": 5}),
        lambda: Backoff.of({"by": 5}),
        lambda: Backoff.of("soon"),
        lambda: RetryRule(then="dream"),  # type: ignore[arg-type]
        lambda: RetryRule(then="fail", retries=3),
        lambda: RetryRule(retries=-1),
        lambda: RetryRule.of({"then": "retry", "when": 5}),
        lambda: RetryPolicy(within=-1),
        lambda: RetryPolicy(on={5: "fail"}),  # type: ignore[dict-item]
        lambda: RetryPolicy(on={int: "fail"}),  # type: ignore[dict-item]
        lambda: RetryPolicy.of("{"),
        lambda: RetryPolicy.of('"fail"'),
        lambda: RetryPolicy.of({"on": {}, "more": 1}),
        lambda: RetryPolicy.of({"on": 1}),
        lambda: RetryPolicy.of({"on": ["ValueError"]}),
        lambda: RetryPolicy.of("[" * 100_000),
        lambda: RetryPolicy.of({"retries": float("nan")}),
        lambda: RetryPolicy.of({"within": float("nan")}),
        lambda: Backoff.custom(""),
        lambda: Backoff.custom(5),  # type: ignore[arg-type]
        lambda: RetryPolicy(on={f"app.Error{i}": 5.0 for i in range(100)}).text(),
        lambda: RetryPolicy(Backoff.custom(lambda *_: 5)).text(),
    ],
)
def test_what_is_no_policy_is_rejected(wrong: Any) -> None:
    with pytest.raises(BadArgumentError):
        wrong()


@pytest.mark.parametrize(
    "stored",
    [
        "no",
        "[" * 100_000,
        '{"since": 1, "counts": {"a": Infinity}}',
        '{"since": NaN, "counts": {"a": 1}}',
        '{"since": "1", "counts": {"a": 1}}',
    ],
)
def test_an_invalid_attempt_counter_counts_as_none(stored: str) -> None:
    tries = Tries.of(stored, 7.0)

    assert (tries.total, tries.age) == (0, 0.0)


@pytest.mark.parametrize(
    "policy",
    [
        RetryPolicy(),
        RetryPolicy(5, retries=3, within=60),
        RetryPolicy(Backoff.custom("app.waits")),
        RetryPolicy(
            on={
                CustomError: RetryRule(backoff=Backoff.fixed(5, 0.5), retries=2, within=9),
                "app.Busy": "snooze",
                ValueError: "fail",
                KeyError: "discard",
            }
        ),
    ],
)
def test_a_policy_is_the_same_after_it_was_stored(policy: RetryPolicy) -> None:
    assert RetryPolicy.of(policy.text()) == policy
    assert hash(RetryPolicy.of(policy.text())) == hash(policy)


@pytest.mark.parametrize(
    ("error", "delay"),
    [
        (NarrowError(), 1),
        (CustomError(), 2),
        (ConnectionResetError(), 3),
        (ValueError(), 4),
        (KeyboardInterrupt(), None),
    ],
)
def test_the_rule_of_the_closest_class_counts(error: BaseException, delay: float | None) -> None:
    policy = RetryPolicy(
        4, on={CustomError: 2, "tests.handlers.jobs.NarrowError": 1, OSError: 9, ConnectionError: 3}
    )

    outcome = policy.decide(error, FRESH)

    assert getattr(outcome, "delay", None) == delay


def test_without_a_backoff_for_all_only_named_exceptions_are_retried() -> None:
    policy = RetryPolicy(on={"builtins.OSError": 5})

    assert policy.decide(ConnectionError(), FRESH) is not None
    assert policy.decide(ValueError(), FRESH) is None


def test_a_retry_spends_one_of_the_job_until_none_is_left(client: Client, clock: Clock) -> None:
    job = taken(client, jobs.raises, {"kind": "value"}, retries=1, retry=RetryPolicy(10))

    assert perform(job) is None
    assert (wait(client, clock), found(client).retries_left) == (10, 0)
    clock.advance(10)
    perform(again(client))

    failure = found(client).failure
    assert failure["group"] == "tests.handlers.jobs.raises:ValueError"
    assert failure["message"].startswith("Traceback")
    assert failure["message"].endswith("ValueError: broken\n")
    assert "qless_py" not in failure["message"]


def test_a_budget_of_the_policy_is_spent_instead(client: Client, clock: Clock) -> None:
    policy = RetryPolicy(1, retries=3)
    perform(taken(client, jobs.raises, {"kind": "value"}, retries=0, retry=policy))

    runs = 1
    while wait(client, clock) is not None:
        clock.advance(1)
        job = again(client)
        assert job.retries_left == 0
        runs += 1
        if runs <= 3:
            perform(job)
        else:
            with pytest.raises(ValueError, match="broken"):
                perform(job)

    assert runs == 4


def test_each_rule_has_a_budget_of_its_own(client: Client, clock: Clock) -> None:
    rule = RetryRule(backoff=Backoff.fixed(0), retries=1)
    policy = RetryPolicy(on={OSError: rule, CustomError: rule})
    perform(taken(client, jobs.raises, {"kind": "os"}, retry=policy))
    for kind in ("narrow", "custom"):
        job = again(client)
        job["kind"] = kind
        job.heartbeat()
        if kind == "narrow":
            perform(job)
        else:
            with pytest.raises(CustomError):
                perform(job)

    assert found(client).tries.counts == {"OSError": 1, "tests.handlers.jobs.CustomError": 1}
    assert wait(client, clock) is None


def test_no_run_begins_after_the_time_of_the_budget(client: Client, clock: Clock) -> None:
    perform(taken(client, jobs.raises, {"kind": "os"}, retry=RetryPolicy(20, within=50)))
    for _ in range(2):
        clock.advance(20)
        job = again(client)
        if job.tries.age < 30:
            perform(job)
    with pytest.raises(OSError, match="broken"):
        perform(job)

    assert job.tries.age == 40
    assert wait(client, clock) is None


def test_a_snooze_costs_nothing_and_a_discard_deletes(client: Client, clock: Clock) -> None:
    snooze = RetryRule("snooze", Backoff.fixed(30))
    policy = RetryPolicy(on={OSError: snooze, ValueError: "discard"})

    perform(taken(client, jobs.raises, {"kind": "os"}, retry=policy, retries=0))
    assert (wait(client, clock), found(client).retries_left) == (30, 0)
    clock.advance(30)
    job = again(client)
    job["kind"] = "value"
    perform(job)

    assert client.jobs["j"] is None


def test_a_class_has_a_policy_and_a_put_has_the_last_word(client: Client, clock: Clock) -> None:
    perform(taken(client, jobs.Patient, {"kind": "os"}))
    assert wait(client, clock) == 10

    perform(taken(client, jobs.Patient, {"kind": "os"}, retry=RetryPolicy(3)))
    assert wait(client, clock) == 3


def test_a_queue_has_a_policy_for_what_has_none(client: Client, clock: Clock) -> None:
    client.config["q-retry-policy"] = RetryPolicy(on={OSError: 4})

    perform(taken(client, jobs.raises_later, {"kind": "connection"}))
    assert wait(client, clock) == 4
    client.jobs.failed()
    with pytest.raises(ValueError, match="broken"):
        perform(taken(client, jobs.raises_later, {"kind": "value"}))


def test_a_queue_takes_no_policy_that_is_none(client: Client) -> None:
    with pytest.raises(BadArgumentError, match="not JSON"):
        client.config["q-retry-policy"] = "soon"
    client.config["q-retry-policy"] = '{"first": 3}'

    assert RetryPolicy.of(client.config["q-retry-policy"]) == RetryPolicy(3)


def test_a_broken_policy_of_a_queue_is_as_good_as_none(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    client.run(protocol.config.set_option("q-retry-policy", "{"))

    with pytest.raises(OSError, match="broken"):
        perform(taken(client, jobs.raises, {"kind": "os"}))

    assert "invalid option q-retry-policy: the retry policy is not JSON" in caplog.text


def test_a_function_in_a_stored_policy_must_be_allowed_too(client: Client) -> None:
    policy = RetryPolicy(Backoff.custom("os.path.join"))
    job = taken(client, jobs.raises, {"kind": "os"}, retry=policy)

    with pytest.raises(HandlerNotAllowedError, match=r"os\.path\.join"):
        perform(job, HandlerOptions(imports=["tests.handlers"]))

    assert found(client).state == "failed"


@pytest.mark.parametrize(
    ("say", "state", "due"),
    [("retry", "scheduled", 5), ("snooze", "scheduled", 60), ("discard", None, None)],
)
def test_a_handler_says_itself_what_becomes_of_its_job(
    client: Client, clock: Clock, say: str, state: str | None, due: float | None
) -> None:
    perform(taken(client, jobs.says, {"say": say}, retry=RetryPolicy(999), retries=2))

    job = client.jobs["j"]
    assert getattr(job, "state", None) == state
    if isinstance(job, Job):
        assert wait(client, clock) == due
        assert job.retries_left == (1 if say == "retry" else 2)


def test_a_retry_without_retries_fails_with_its_reason(client: Client) -> None:
    perform(taken(client, jobs.retries_because, retries=0))

    assert found(client).failure["group"] == "tests.handlers.jobs.retries_because:CustomError"


def test_a_discarded_job_that_others_wait_for_is_rejected(client: Client) -> None:
    client.queues["q"].put(jobs.gives, depends=[client.queues["q"].put(jobs.says, jid="j")])

    with pytest.raises(DependencyError):
        perform(_with(again(client), {"say": "discard"}))


def _with(job: Job, data: Any) -> Job:
    job.data = data
    return job


def test_a_delay_that_is_none_fails_the_job(client: Client) -> None:
    perform(taken(client, jobs.says_nonsense))

    assert found(client).failure["group"].endswith(":BadArgumentError")


@pytest.mark.parametrize(("kind", "state"), [("exit", "failed"), ("stop", "waiting")])
def test_the_end_of_a_process_is_no_matter_of_policies(
    client: Client, kind: str, state: str
) -> None:
    with pytest.raises(jobs.KINDS[kind]):
        perform(taken(client, jobs.raises, {"kind": kind}, retry=RetryPolicy(5)))

    assert found(client).state == state
    assert found(client).retries_left == 5


def test_children_of_a_recurring_job_have_its_policy(client: Client, clock: Clock) -> None:
    policy = RetryPolicy(7)
    client.queues["q"].recur(jobs.raises, {"kind": "os"}, 60, jid="r", retries=1, retry=policy)

    job = again(client)
    perform(job)

    child = client.jobs[job.jid]
    assert isinstance(child, Job)
    assert child.due_at == clock.now + 7


def test_a_decorated_handler_is_run_again_after_what_it_names(client: Client, clock: Clock) -> None:
    perform(taken(client, jobs.Decorated, {"kind": "connection"}))
    assert (wait(client, clock), found(client).retries_left) == (3, 4)

    client.queues["later"].put(jobs.Decorated, {"kind": "os"}, jid="j")
    job = client.queues["later"].pop()
    assert job is not None
    perform(job)
    assert wait(client, clock) == 4

    with pytest.raises(ValueError, match="broken"):
        perform(taken(client, jobs.Decorated, {"kind": "value"}))
    assert jobs.Decorated.q.__doc__ == "Break."
    with pytest.raises(BadArgumentError):
        retry()


@pytest.mark.parametrize(
    ("klass", "exception"),
    [
        ("tests.handlers.jobs.no_such_thing", "qless_py.errors.HandlerNotFoundError"),
        ("tests.handlers.no_such_module.x", "qless_py.errors.HandlerNotFoundError"),
        ("tests.handlers.raises_at_import.x", "ZeroDivisionError"),
        ("os.path.join", "qless_py.handlers.resolve.HandlerNotAllowedError"),
    ],
)
@pytest.mark.parametrize("by", ["put", "queue", "worker"])
def test_policies_apply_to_a_handler_that_cannot_be_found(
    client: Client, clock: Clock, klass: str, exception: str, by: str
) -> None:
    policy = RetryPolicy(on={exception: 60})
    if by == "queue":
        client.config["q-retry-policy"] = policy.text()
    job = taken(client, klass, retry=policy if by == "put" else None)
    options = HandlerOptions(["tests.handlers"], retry=policy if by == "worker" else None)

    perform(job, options)

    assert wait(client, clock) == 60


def test_an_unreadable_policy_of_a_job_does_not_hide_what_was_raised(client: Client) -> None:
    job = taken(client, jobs.raises, {"kind": "value"})
    job.fields["retry"] = '{"of": "a newer version"}'

    with pytest.raises(ValueError, match="broken"):
        perform(job)


class AskingError(Exception):
    def __init__(self, retry_after: Any) -> None:
        self.retry_after = retry_after


@pytest.mark.parametrize(
    ("asked", "delay"),
    [(30, 30.0), (3, 10.0), (None, 10.0), ("30", 10.0), (float("nan"), 10.0), (-5, 10.0)],
)
def test_an_exception_can_ask_for_a_longer_wait(asked: Any, delay: float) -> None:
    outcome = RetryPolicy(10).decide(AskingError(asked), Tries.of(None, 0.0))
    assert isinstance(outcome, Retry)
    assert outcome.delay == delay


def test_a_wait_that_an_exception_asks_for_counts_towards_within() -> None:
    policy = RetryPolicy(10, within=20)
    assert policy.decide(AskingError(30), Tries.of(None, 0.0)) is None
    assert policy.decide(AskingError(15), Tries.of(None, 0.0)) is not None
