"""Every change by the command line is in the audit log, and the log is shown and exported."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from qless_py import Client
from qless_py.cli.audit_entry import DAILY
from qless_py.protocol.audit import AuditEntry
from tests.audit_data import prepare
from tests.cli.conftest import Program
from tests.cli.test_conventions import ALL

# For each command that changes something: what runs it, its action and its first target.
CHANGES: dict[str, tuple[str, str, str]] = {
    "batches cancel": ("batches cancel night --yes", "batch cancel", "night"),
    "batches retry": ("batches retry night", "batch retry", "night"),
    "workflows cancel": ("workflows cancel flow --yes", "workflow cancel", "flow"),
    "workflows retry": ("workflows retry flow", "workflow retry", "flow"),
    "config set": ("config set heartbeat 30", "option set", "heartbeat"),
    "config unset": ("config unset heartbeat", "option unset", "heartbeat"),
    "deploy": ("deploy v2", "deploy", "v2"),
    "deploys remove": ("deploys remove MARKER", "deploy remove", "MARKER"),
    "failed cancel": ("failed cancel Refused --yes", "failures cancel", "Refused"),
    "failed retry": ("failed retry Refused --yes", "failures retry", "Refused"),
    "fsck": ("fsck --repair", "fsck", ""),
    "import": ("import EXPORT", "import", ""),
    "job cancel": ("job cancel waits", "job cancel", "waits"),
    "job depend": ("job depend child --on waits", "job depend", "child"),
    "job edit": ("job edit waits --priority 2", "job edit", "waits"),
    "job finish": ("job finish waits", "job finish", "waits"),
    "job move": ("job move waits --to other", "job move", "waits"),
    "job priority": ("job priority waits --to 3", "job priority", "waits"),
    "job requeue": ("job requeue waits", "job requeue", "waits"),
    "job retry": ("job retry fails", "job retry", "fails"),
    "job tag": ("job tag waits --add t", "job tag", "waits"),
    "job timeout": ("job timeout runs", "job timeout", "runs"),
    "job track": ("job track waits", "job track", "waits"),
    "job undepend": ("job undepend child --on parent", "job undepend", "child"),
    "job untag": ("job untag waits --remove x", "job untag", "waits"),
    "job untrack": ("job untrack waits", "job untrack", "waits"),
    "canceled restore": ("canceled restore gone", "canceled restore", "gone"),
    "canceled delete": ("canceled delete gone --yes", "canceled delete", "gone"),
    "operations undo": ("operations undo UNDOABLE", "operation undo", "UNDOABLE"),
    "operations abort": ("operations abort OPERATION", "operation abort", "OPERATION"),
    "queue forget": ("queue forget empty --yes", "queue forget", "empty"),
    "queue pause": ("queue pause mail --reason deploy", "queue pause", "mail"),
    "queue purge": ("queue purge mail --yes", "queue purge", "mail"),
    "queue set": ("queue set mail heartbeat=30", "queue set", "mail"),
    "queue unpause": ("queue unpause mail", "queue unpause", "mail"),
    "recur add": ("recur add mail K {} --every 60s", "recurring add", "mail"),
    "recur edit": ("recur edit tick --every 30s", "recurring edit", "tick"),
    "recur pause": ("recur pause tick", "recurring pause", "tick"),
    "recur remove": ("recur remove tick", "recurring remove", "tick"),
    "recur resume": ("recur resume tick", "recurring resume", "tick"),
    "recur run": ("recur run tick", "recurring run", "tick"),
    "recur sync": ("recur sync SCHEDULES --group g --yes", "recurring sync", ""),
    "throttles block": ("throttles block api 60s", "throttle block", "api"),
    "throttles delete": ("throttles delete api", "throttle delete", "api"),
    "throttles release": ("throttles release api runs", "throttle release", "api"),
    "throttles set": ("throttles set api --concurrency 2", "throttle set", "api"),
    "token create": ("token create ci --scope put", "token create", "ci"),
    "token revoke": ("token revoke TOKEN", "token revoke", "TOKEN"),
    "users set": ("users set ada --weight 3", "user set", "ada"),
    "users unset": ("users unset ada", "user unset", "ada"),
    "webhook add": ("webhook add https://h.example/secret", "webhook add", ""),
    "webhook change": ("webhook change hook --description d", "webhook change", "hook"),
    "webhook redeliver": ("webhook redeliver --jid DELIVERY", "webhook redeliver", ""),
    "webhook remove": ("webhook remove hook", "webhook remove", "hook"),
    "webhook rotate": ("webhook rotate hook", "webhook rotate", "hook"),
    "webhook test": ("webhook test hook", "webhook test", "hook"),
    "workers dump": ("workers dump w --wait 0", "worker dump", "w"),
    "workers forget": ("workers forget w --yes", "worker forget", "w"),
    "workers quiet": ("workers quiet w", "worker quiet", "w"),
    "workers restart": ("workers restart w", "worker restart", "w"),
    "workers resume": ("workers resume w", "worker resume", "w"),
    "workers stop": ("workers stop --all", "worker stop", ""),
}
READS = {
    "canceled list", "canceled show",
    "audit", "autoscale", "completion", "config check", "config get", "config init", "config list",
    "batches list", "batches show",
    "deploys list", "export", "failed groups", "failed list", "failed show", "health",
    "job attempts", "job explain", "job show", "jobs",
    "listen", "metrics", "operations list", "operations show", "peek", "queue show", "queues",
    "recur list", "recur preview", "recur runs", "stats", "tags",
    "throttles list", "throttles show", "token list", "tracked",
    "users list", "users show", "webhook deliveries", "webhook list", "webhook show",
    "workflows list", "workflows show", "workers check", "workers list", "workers show",
}  # fmt: skip
# Needs another program's store; it changes this one by the calls that `import` makes.
LIKE_IMPORT = {"migrate"}


@pytest.fixture
def names(live: Client, tmp_path: Path) -> dict[str, str]:
    """Put what the commands change; return what stands for the words in capitals."""
    schedules = tmp_path / "schedules.toml"
    schedules.write_text('[s]\nqueue = "mail"\nklass = "K"\nevery = "1h"\n')
    files = {"SCHEDULES": str(schedules), "EXPORT": str(tmp_path / "export.jsonl")}
    return {**prepare(live), **files}


def test_every_command_is_a_change_that_is_tried_here_or_none() -> None:
    known = {" ".join(words) for words in ALL}
    daily = {" ".join(words) for words in DAILY}

    assert known == set(CHANGES) | READS | daily | LIKE_IMPORT, "add the command to CHANGES"


def newest(client: Client) -> AuditEntry:
    return client.audit.page(count=1).entries[0]


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_recorded_with_who_and_what(
    program: Program, live: Client, names: dict[str, str], name: str
) -> None:
    line, action, target = CHANGES[name]
    if "EXPORT" in line:
        program("export", "--output", names["EXPORT"], "jid:waits")
        live.cancel("waits")
    words = [names.get(word, word) for word in line.split()]

    program(*words, QLESS_PY_ACTOR="ann@laptop")

    found = newest(live)
    assert (found.who, found.door, found.action) == ("ann@laptop", "command line", action)
    assert found.targets[:1] == ((names.get(target, target),) if target else ())
    assert (found.outcome, "secret" in found.details) == ("done", False)


def test_reading_daily_work_and_dry_runs_are_not_recorded(
    program: Program, live: Client, names: dict[str, str]
) -> None:
    del names
    for line in ("queues", "jobs", "put mail K", "pop mail", "job log waits hello", "fsck",
                 "job cancel waits --dry-run", "config list"):  # fmt: skip
        program(*line.split())

    assert live.audit.page().entries == []


def test_a_refusal_is_recorded_and_a_mistake_is_not(
    program: Program, live: Client, names: dict[str, str]
) -> None:
    del names
    program("job", "cancel", "parent", code=1)
    program("job", "cancel", code=2)

    (found,) = live.audit.page().entries
    assert (found.outcome, found.targets, found.count) == ("refused", ("parent",), 0)


def test_the_number_of_changed_jobs_and_the_search_are_recorded(
    program: Program, live: Client, names: dict[str, str]
) -> None:
    del names
    program("job", "tag", "--search", "queue:mail jid:*a*", "--add", "t", "--yes")

    found = newest(live)
    assert found.count == 4
    assert found.details == "search=queue:mail jid:*a*  added=t"


def test_the_user_is_that_of_the_shell_unless_another_is_given(
    program: Program, live: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("QLESS_PY_ACTOR", raising=False)
    monkeypatch.setenv("LOGNAME", "bob")
    program("queue", "pause", "mail", "--new")

    assert newest(live).who.startswith("bob@")


def test_the_log_is_shown_searched_and_exported(program: Program, live: Client) -> None:
    live.audit.add(AuditEntry(who="=ann", door="http", action="job cancel", targets=["a", "b"]))
    live.audit.add(
        AuditEntry(who="bob", door="worker", action="worker quiet", outcome="refused", result="no")
    )

    assert "refused no" in program("audit").stdout
    shown = program("audit", "--who", "=a*", "--since", "1h").stdout
    assert "job cancel" in shown
    assert "bob" not in shown
    assert [one["who"] for one in program.json("audit", "--target", "b")["entries"]] == ["=ann"]
    lines = program("audit", "--export", "ndjson").stdout.splitlines()
    assert [json.loads(line)["who"] for line in lines] == ["bob", "=ann"]
    rows = csv.DictReader(program("audit", "--export", "csv").stdout.splitlines())
    assert [row["who"] for row in rows] == ["bob", "'=ann"]
    live.config.set("audit-log", 0)
    live.redis.delete("{ql}:audit")
    assert "audit log is off" in program("audit").stderr
