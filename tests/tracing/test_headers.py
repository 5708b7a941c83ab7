"""The context of a job from HTTP headers, and back. Nothing here needs OpenTelemetry."""

from __future__ import annotations

import pytest

from qless_py.protocol.arguments import MAX_CONTEXT, context
from qless_py.tracing import context_from_headers, headers_for
from qless_py.tracing.headers import fitted

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class _Job:
    def __init__(self, **context: str) -> None:
        self.context = context


def test_the_headers_of_a_trace_become_the_context() -> None:
    headers = {"Traceparent": PARENT, "TRACESTATE": "a=1", "Baggage": "k=v", "Host": "example"}

    found = context_from_headers(headers)

    assert found == {"traceparent": PARENT, "tracestate": "a=1", "baggage": "k=v"}
    assert headers_for(_Job(**found)) == found


def test_repeated_lists_are_joined_and_a_repeated_parent_is_dropped() -> None:
    pairs = [("traceparent", PARENT), ("tracestate", "a=1"), ("tracestate", "b=2")]

    assert context_from_headers(pairs)["tracestate"] == "a=1,b=2"
    assert context_from_headers([*pairs, ("traceparent", PARENT)]) == {}


@pytest.mark.parametrize(
    "parent",
    [
        *("", "00", "x" * 55, PARENT.upper(), PARENT + "-00", "ff" + PARENT[2:], PARENT[:-1]),
        f"00-{'0' * 32}-b7ad6b7169203331-01",
        f"00-0af7651916cd43dd8448eb211c80319c-{'0' * 16}-01",
        *(PARENT + "\n", PARENT.replace("-", "_"), "é" + PARENT[1:], "cc" + PARENT[2:] + ".x"),
    ],
)
def test_a_parent_that_is_not_valid_drops_the_trace_and_keeps_the_baggage(parent: str) -> None:
    headers = {"traceparent": parent, "tracestate": "a=1", "baggage": "k=v"}

    expected = {"baggage": "k=v"}
    if parent.strip() == PARENT:
        expected |= {"traceparent": PARENT, "tracestate": "a=1"}

    assert context_from_headers(headers) == expected
    assert "traceparent" not in headers_for(_Job(traceparent=parent))


def test_a_later_version_of_the_format_is_passed_on() -> None:
    later = "cc" + PARENT[2:] + "-what-comes-then"

    assert context_from_headers({"traceparent": later}) == {"traceparent": later}


@pytest.mark.parametrize("value", ["a=1\x00", "a=\n1", "a=é"])
def test_control_characters_and_other_text_are_dropped(value: str) -> None:
    headers = {"traceparent": PARENT, "tracestate": value, "baggage": value}

    assert context_from_headers(headers) == {"traceparent": PARENT}


def test_what_is_too_long_loses_whole_members_and_never_the_parent() -> None:
    state = ",".join(["long=" + "x" * 200, *(f"k{number}=v" for number in range(40))])
    baggage = ",".join(f"name{number}={'v' * 50}" for number in range(40))

    found = context_from_headers({"traceparent": PARENT, "tracestate": state, "baggage": baggage})

    assert context("context", found) == found
    assert found["traceparent"] == PARENT
    assert found["tracestate"] == state
    assert baggage.startswith(found["baggage"] + ",")
    assert sum(map(len, [*found, *found.values()])) <= MAX_CONTEXT

    found = context_from_headers({"traceparent": PARENT, "tracestate": state + "," + "y" * 800})
    assert found["tracestate"] == state.partition(",")[2]
    assert fitted({"baggage": "x" * 2000, "a b": "c", "tracestate": "," * 2000}) == {}
