"""Cases for tokens, webhooks, the stream of events, hand-offs and transfers."""

from __future__ import annotations

from typing import Any, Final

from benchmarks.namespace import DATA, KLASS, PAGE, batched
from benchmarks.scripts.keyspace import Keyspace, dependent
from benchmarks.scripts.timing import Calls, Case, Prepare, of_held, raw, repeated
from qless_py.protocol import Call, deploys, events, stats, tokens, transfers, webhooks
from qless_py.protocol.call import pack

_MOST_HOOKS: Final = 20
_HOOK: Final = {"url": "https://hooks.example.org/", "key": "k", "codec": "json"}


def _create(name: str) -> Call[Any]:
    options = {"name": "shop", "scopes": ["put"], "queues": ["mail*"]}
    return raw("token_create", name, "a" * 64, pack(options))


def _create_tokens(keyspace: Keyspace, count: int) -> Calls:
    return [_create(jid) for jid in keyspace.new(count)]


def _of_tokens(script: str) -> Prepare:
    def calls(keyspace: Keyspace, count: int) -> Calls:
        names = keyspace.new(count)
        keyspace.send([_create(name) for name in names])
        return [raw(script, name) for name in names]

    return calls


def _add_hooks(keyspace: Keyspace, count: int) -> Calls:
    """Add webhooks, each after the one before it was removed, so that the list stays short."""
    names = keyspace.new(min(count, _MOST_HOOKS))
    return [raw("webhook_add", name, pack(_HOOK)) for name in names]


def _of_hooks(script: str, *arguments: Any) -> Prepare:
    def calls(keyspace: Keyspace, count: int) -> Calls:
        names = list(keyspace.run(webhooks.read()).webhooks)[: min(count, _MOST_HOOKS)]
        return [raw(script, getattr(name, "id", name), *arguments) for name in names]

    return calls


def _dispatch(keyspace: Keyspace, count: int) -> Calls:
    """Put a hundred deliveries with each call, and move on from one position to the next."""
    position = keyspace.run(webhooks.read()).position
    made: Calls = []
    for page, number in zip(batched(keyspace.new(count * PAGE)), range(1, count + 1), strict=True):
        following = f"{10**14}-{number}"
        deliveries = [{"jid": jid, "klass": "webhook"} for jid in page]
        call = raw("webhook_dispatch", position, following, "", pack(deliveries), *[DATA] * PAGE)
        made.append(call)
        position = following
    return made


def _restore(keyspace: Keyspace, count: int) -> Calls:
    def call(page: Any) -> Call[Any]:
        put_at = round(keyspace.clock.now * 1000)
        jobs = [{"jid": one, "klass": KLASS, "queue": "mail", "put_at": put_at} for one in page]
        return raw("restore", "60000", pack(jobs), *[DATA] * PAGE)

    return [call(page) for page in batched(keyspace.new(count * PAGE))]


def _restore_batches(keyspace: Keyspace, count: int) -> Calls:
    return [
        raw(
            "batch_restore",
            name,
            pack({"failed": 2, "opened_at": round(keyspace.clock.now * 1000)}),
        )
        for name in keyspace.new(count)
    ]


def _klass_series(keyspace: Keyspace) -> Call[Any]:
    now = round(keyspace.clock.now * 1000)
    return stats.klass_series_rows(KLASS, now - 14_400_000, now, "minute")


def _parents(_: Keyspace) -> Call[Any]:
    return transfers.parents([dependent(number) for number in range(PAGE)])


CASES: Final = (
    Case("hand_off", "hand_off", of_held(lambda *held: raw("hand_off", *held, "target", 5000))),
    Case("restore", "restore of 100", _restore, large=True),
    Case("batch_restore", "batch_restore", _restore_batches, large=True),
    Case(
        "read/batch_record",
        "read/batch_record",
        repeated(lambda _: transfers.batch_record("large")),
    ),
    Case("read/parents", "read/parents of 100", repeated(_parents), large=True),
    Case("read/klasses", "read/klasses", repeated(lambda _: stats.klasses())),
    Case("read/klass_series", "read/klass_series, 4 hours", repeated(_klass_series)),
    Case("token_create", "token_create", _create_tokens, large=True),
    Case("token_used", "token_used", _of_tokens("token_used"), large=True),
    Case("read/token", "read/token", _of_tokens("read/token"), large=True),
    Case("read/tokens", "read/tokens", repeated(lambda _: tokens.read_all()), large=True),
    Case("token_revoke", "token_revoke", _of_tokens("token_revoke"), large=True),
    Case("deploy_mark", "deploy_mark, one of 100", repeated(lambda _: deploys.mark("v1.2"))),
    Case("read/deploys", "read/deploys, 100", repeated(lambda _: deploys.read_all())),
    Case("deploy_remove", "deploy_remove", repeated(lambda _: deploys.remove("1"))),
    Case("webhook_add", "webhook_add", _add_hooks, large=True),
    Case("read/webhooks", "read/webhooks", repeated(lambda _: webhooks.read()), large=True),
    Case(
        "webhook_change",
        "webhook_change",
        _of_hooks("webhook_change", pack({"keep": 1000, "key": "n", "codec": "json"})),
        large=True,
    ),
    Case(
        "webhook_report",
        "webhook_report",
        _of_hooks("webhook_report", pack({"ok": False, "status": 500, "error": "e"})),
        large=True,
    ),
    Case("webhook_dispatch", "webhook_dispatch of 100", _dispatch, large=True),
    Case("webhook_remove", "webhook_remove", _of_hooks("webhook_remove"), large=True),
    Case("read/events", "read/events, 100", repeated(lambda _: events.read("0", PAGE))),
    Case("read/recent_events", "read/recent_events, 100", repeated(lambda _: events.recent(PAGE))),
)
