"""Files for Grafana, Prometheus and KEDA: every expression asks for what is really exposed."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from qless_py import Client
from qless_py.metrics import Demand, Limits, snapshot
from qless_py.metrics.collector import StoreCollector
from qless_py.metrics.exposition import render
from qless_py.metrics.families import OF_PROCESS
from qless_py.metrics.process import ProcessMetrics, WorkerNumbers
from tests.conftest import Clock

FOLDER = Path(__file__).parents[2] / "docs" / "monitoring"
_OF_PROMETHEUS = {"job", "instance"}
# The variables of Grafana, as a person may have set them.
_VARIABLES = {"$__rate_interval": "5m", "$job": ".*", "$queue": ".*"}

Series = dict[str, dict[str, set[str]]]


def _add(found: Series, body: bytes) -> None:
    for family in text_string_to_metric_families(body.decode()):
        for sample in family.samples:
            labels = found.setdefault(sample.name, {})
            for label, value in sample.labels.items():
                labels.setdefault(label, set()).add(value)


@pytest.fixture
def exposed(client: Client, clock: Clock) -> Series:
    """Return the values of the labels of all series, of a store and a worker in use."""
    client.throttles["api"].set(concurrency=1)
    client.queues["mail"].recur("app.Send", {}, interval=60)
    client.queues["mail"].put("app.Send", {}, throttles=["api"])
    for job in client.queues["mail"].pop(2, worker="w"):
        clock.advance(1)
        job.complete()
    found: Series = {}
    _add(found, render(StoreCollector(snapshot.read(client), Limits()), "")[0])
    state = dict.fromkeys(("ready", "store", "quiet", "stopping", "children", "wanted", "busy"), 1)
    outcomes = dict.fromkeys(("completed", "failed", "retried", "other", "died"), 1)
    exits = dict.fromkeys(("clean", "error", "signal"), 1)
    numbers = WorkerNumbers(state, 1, 0, 1, 1, outcomes, exits, {"0": 1})
    _add(found, render(ProcessMetrics(numbers), "")[0])
    assert len([name for name in found if name.startswith("qless_process_")]) >= len(OF_PROCESS)
    return found


def load(name: str) -> Any:
    return yaml.safe_load((FOLDER / name).read_text())


def of_alerts() -> Iterator[tuple[str, str]]:
    for group in load("alerts.yaml")["groups"]:
        for rule in group["rules"]:
            yield rule["alert"], rule["expr"]


def board() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / "grafana-dashboard.json").read_text())
    return found


def of_board() -> Iterator[tuple[str, str]]:
    for panel in board()["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"]


def of_keda() -> Iterator[tuple[str, str]]:
    for trigger in load("keda-prometheus.yaml")["spec"]["triggers"]:
        yield trigger["type"], trigger["metadata"]["query"]


ALL = [*of_alerts(), *of_board(), *of_keda()]


def parsed(expression: str) -> Any:
    for variable, value in _VARIABLES.items():
        expression = expression.replace(variable, value)
    assert "$" not in expression
    return promql_parser.parse(expression)


def nodes(node: Any) -> Iterator[Any]:
    """Return a node of an expression and all below it."""
    yield node
    for name in ("lhs", "rhs", "expr", "param", "vector_selector", "args"):
        below = getattr(node, name, None)
        for one in below if isinstance(below, list) else [below]:
            if one is not None:
                yield from nodes(one)


def selectors(node: Any) -> list[Any]:
    return [one for one in nodes(node) if isinstance(one, promql_parser.VectorSelector)]


def test_every_expression_asks_for_series_labels_and_values_that_exist(exposed: Series) -> None:
    assert len(ALL) > 50
    for name, expression in ALL:
        check(exposed, name, expression)


def check(exposed: Series, name: str, expression: str) -> None:
    tree = parsed(expression)

    assert selectors(tree), f"{name} asks for no metric"
    for one in selectors(tree):
        labels = exposed.get(one.name)
        assert labels is not None, f"{name}: nobody exposes {one.name}"
        for matcher in one.matchers.matchers:
            assert matcher.name in {*labels, *_OF_PROMETHEUS}, f"{name}: {one.name} lacks a label"
            values = labels.get(matcher.name, set())
            if matcher.name not in ("queue", *_OF_PROMETHEUS):
                pattern = re.compile(matcher.value)
                assert any(pattern.fullmatch(value) for value in values), f"{name}: {matcher}"
    for one in nodes(tree):
        if isinstance(one, promql_parser.AggregateExpr) and one.modifier is not None:
            known = {label for each in selectors(one) for label in exposed[each.name]}
            assert set(one.modifier.labels) <= known | _OF_PROMETHEUS, name


@pytest.mark.parametrize("function", ["rate", "increase"])
def test_rates_are_taken_of_counters_only(function: str) -> None:
    for name, expression in ALL:
        for one in nodes(parsed(expression)):
            if isinstance(one, promql_parser.Call) and one.func.name == function:
                for each in selectors(one):
                    assert re.search(r"_(total|sum|count|bucket)$", each.name), name


def test_every_alert_says_what_is_wrong_and_how_bad_it_is() -> None:
    rules = [rule for group in load("alerts.yaml")["groups"] for rule in group["rules"]]

    names = [rule["alert"] for rule in rules]
    assert len(set(names)) == len(names) == 16
    if promtool := shutil.which("promtool"):
        subprocess.run([promtool, "check", "rules", FOLDER / "alerts.yaml"], check=True)
    for rule in rules:
        assert rule["labels"]["severity"] in ("critical", "warning", "info")
        assert rule["annotations"]["summary"]
        tree = parsed(rule["expr"])
        # A label that the text shows must survive the expression.
        for label in re.findall(r"\$labels\.(\w+)", json.dumps(rule["annotations"])):
            kept = {
                one
                for node in nodes(tree)
                if isinstance(node, promql_parser.AggregateExpr) and node.modifier is not None
                for one in node.modifier.labels
            }
            assert label in kept | {"instance"}, rule["alert"]


def test_the_panels_of_the_dashboard_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    ids = []
    for panel in board()["panels"]:
        ids.append(panel["id"])
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells
    assert len(set(ids)) == len(ids)


def test_the_dashboard_asks_the_data_source_that_was_chosen() -> None:
    source = {"type": "prometheus", "uid": "${datasource}"}

    for panel in board()["panels"]:
        if panel["type"] != "row":
            assert panel["datasource"] == source
            assert all(target["datasource"] == source for target in panel["targets"])
    names = [one["name"] for one in board()["templating"]["list"]]
    assert names == ["datasource", "job", "queue"]


def test_the_scaler_reads_the_field_that_the_signal_has() -> None:
    scaled, credentials = yaml.safe_load_all((FOLDER / "keda-api.yaml").read_text())
    (trigger,) = scaled["spec"]["triggers"]

    assert trigger["type"] == "metrics-api"
    assert trigger["metadata"]["valueLocation"] in Demand.__dataclass_fields__
    assert trigger["metadata"]["targetValue"] == "1"  # A worker for each that is wanted.
    assert "/api/v1/autoscale?queue=" in trigger["metadata"]["url"]
    assert trigger["authenticationRef"]["name"] == credentials["metadata"]["name"]
    for name in ("keda-api.yaml", "keda-prometheus.yaml"):
        first = next(yaml.safe_load_all((FOLDER / name).read_text()))
        assert (first["apiVersion"], first["kind"]) == ("keda.sh/v1alpha1", "ScaledObject")
        assert first["spec"]["scaleTargetRef"]["name"]
        behavior = first["spec"]["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
        assert behavior["scaleDown"]["stabilizationWindowSeconds"] >= 60


def test_the_scrape_jobs_load_the_rules() -> None:
    found = load("prometheus.yaml")

    assert found["rule_files"] == ["alerts.yaml"]
    assert [one["job_name"] for one in found["scrape_configs"]] == ["qless_py", "qless_py_workers"]
