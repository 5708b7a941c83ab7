"""The options of puts and of recurring jobs, as users pass them."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Literal, ParamSpec, Protocol, TypedDict

Seconds = float | timedelta

Throttles = Iterable[str] | Mapping[str, float]
"""Throttle ids; a mapping also sets how many tokens the job takes of each (default 1)."""

P = ParamSpec("P")

ParentPolicy = Literal["wait", "cancel", "fail", "run"]
JidConflict = Literal["replace", "ignore", "raise", "revive"]
UniqueConflict = Literal["replace", "ignore", "raise"]
UniqueScope = Literal["queued", "running", "window"]
Misfire = Literal["all", "one", "skip"]
Overlap = Literal["allow", "skip"]
Resolution = Literal["minute", "ten"]


class Policy(Protocol):
    """A retry policy, which the store keeps as text."""

    def text(self) -> str:
        """Return the policy as the store keeps it."""


class PutOptions(TypedDict, total=False):
    """Options of a put, all optional.

    * `jid`: the job's id (default: a random one). `on_conflict` decides what happens if a job with
      this jid exists: `replace` it (the default), `ignore` the put, `raise` AlreadyExistsError, or
      `revive`, which replaces a failed job and ignores the put otherwise.
    * `priority`: any number, higher runs first (default 0). `tags`: a list of names.
    * `attempts`: how often a handler that raises is run before the job fails, with exponential
      back-off in between: `attempts=5`. `retry`: a `RetryPolicy` instead, which decides by the
      exception. Without either, the first exception fails the job, unless its queue or its worker
      has a policy.
    * `retries`: how often the job may lose its lease, because its worker died or was cut off,
      before it fails (default 5). What `Retry` and policies without a budget retry counts as well.
    * `delay`: seconds or a timedelta before the job may run; or `at`: when it may run, a datetime
      with a time zone or Unix seconds.
    * `depends`: jids that must complete first. `on_parent_failed`: what happens when one of them
      fails or is canceled: `wait`, `cancel`, `fail` or `run`.
    * `unique_key`: allow one live job per key. `unique_scope`: the key is taken while the job is
      `queued`, while it is queued or `running` (the default), or for a `window` of `unique_window`
      seconds. `unique_conflict`: `ignore` (returns the jid that holds the key), `raise`
      AlreadyExistsError, or `replace`, which puts the job that holds the key again, as a put with
      its jid does: klass, data, queue, delay and all options given are those of this put, and a
      job that waits in this queue keeps its age. One that has started is not replaced: the put
      raises AlreadyExistsError.
    * `keep`: seconds for which the jid is remembered after the job has ended.
    * `expires`: seconds from now, or a datetime. After that the job is not popped any more,
      neither for the first time nor for a retry: it fails in the group `expired`.
    * `soft_limit`: seconds after which the handler gets a `SoftLimitError`. `hard_limit`: seconds
      after which its process is killed.
    * `user`: whose job it is. Users share a queue by their weights, whatever the priorities of
      their jobs. `throttles`: up to 8 throttle ids, or a mapping from ids to the tokens the job
      takes of each; the job starts when none of them holds it back. When a job is put again,
      options not given stay; `False` and an empty list remove them.
    * `batch`: an open batch to join. If the put is answered with another job, by its jid or unique
      key, that job joins the batch unless it has ended; one of another batch raises
      AlreadyExistsError. `codec`: the name of the codec that writes the data.
    * `context`: a map of text that travels with the job, apart from its data, through retries and
      moves: W3C trace context (`traceparent`, `tracestate`, `baggage`) and the like, at most 1,024
      bytes of names and values. Tracing sets it where the put does not.
    """

    jid: str | None
    priority: float | None
    tags: Iterable[str] | None
    retries: int | None
    delay: Seconds | None
    at: float | datetime | None
    depends: Iterable[str] | None
    on_parent_failed: ParentPolicy | None
    on_conflict: JidConflict | None
    unique_key: str | None
    unique_scope: UniqueScope | None
    unique_window: Seconds | None
    unique_conflict: UniqueConflict | None
    keep: Seconds | None
    expires: Seconds | datetime | None
    soft_limit: Seconds | None
    hard_limit: Seconds | None
    retry: Policy | None
    attempts: int | None
    user: str | Literal[False] | None
    throttles: Throttles | None
    batch: str | None
    codec: str | None
    context: Mapping[str, str] | None


class HttpOptions(PutOptions, total=False):
    """Options of `put_http`: those of the request, and those of a put. All are optional.

    * `method` (default POST), `headers`, and one body: `body` (text or bytes), `json` (any value)
      or `form` (a map or pairs). `timeout`: seconds for one attempt, from the name server to the
      end of the answer (default 60, at most 1,800).
    * `success`: the status codes that complete the job, as numbers or as `"2xx"` (the default).
      `permanent`: those that fail it at once (default 400, 404, 410 and 422). After any other, or
      none, it runs again as its `attempts` or its retry policy say.
    * `hand_off`: an answer of 202 leaves the job with its target for that many seconds.
    * `throttle_per_target`: whether the job has the throttle of its target, `target:<host>`
      (default true).
    """

    method: str | None
    headers: Mapping[str, str] | None
    body: str | bytes | None
    json: Any
    form: Mapping[str, Any] | Iterable[tuple[str, Any]] | None
    timeout: float | None
    success: Iterable[int | str] | None
    permanent: Iterable[int | str] | None
    hand_off: float | None
    throttle_per_target: bool


class PutSpec(PutOptions, total=False):
    """One job of a `put_many` or a batch callback: klass, data, queue and the options of a put."""

    klass: Any
    data: Any
    queue: str | None


class SpecMaker(Protocol[P]):
    """A task, as `qless_py.job` makes it."""

    def spec(self, *args: P.args, **kwargs: P.kwargs) -> PutSpec:
        """Return one job that calls it with these arguments."""


class RecurOptions(TypedDict, total=False):
    """Options of a recurring job; most of them apply to each job it puts (its children).

    * `jid`: the recurring job's id (default: `recur-` and a random one).
    * `cron`: five fields, six with the seconds first, or a nickname such as `@daily`. `zone`: the
      IANA name of its time zone (default UTC).
    * `misfire`: what happens to slots noticed more than a minute late: `all` are caught up (the
      default), only the last `one`, or none (`skip`). `backlog`: with `all`, how many missed slots
      are caught up, 0 for all.
    * `overlap`: what happens to a slot while the child before has not completed or failed: it gets
      a child all the same (`allow`, the default), or none (`skip`).
    * `start`, `end`: no child before or after these times. `limit`: the most children.
    * `retries` is 0 by default. `expires`: seconds after its slot at which a child expires.
      `priority`, `tags`, `soft_limit`, `hard_limit`, `attempts`, `retry`, `user`, `throttles`,
      `codec` and `context` work as in a put.
    """

    jid: str | None
    cron: str | None
    zone: str | None
    misfire: Misfire | None
    overlap: Overlap | None
    start: float | datetime | None
    end: float | datetime | None
    limit: int | None
    priority: float | None
    tags: Iterable[str] | None
    retries: int | None
    backlog: int | None
    expires: Seconds | None
    soft_limit: Seconds | None
    hard_limit: Seconds | None
    retry: Policy | None
    attempts: int | None
    user: str | Literal[False] | None
    throttles: Throttles | None
    codec: str | None
    context: Mapping[str, str] | None


class RecurUpdate(TypedDict, total=False):
    """Changes to a recurring job; `None` removes a start, end or limit."""

    klass: Any
    data: Any
    queue: str
    interval: Seconds
    cron: str
    zone: str
    misfire: Misfire
    overlap: Overlap
    start: float | datetime | None
    end: float | datetime | None
    limit: int | None
    priority: float
    tags: Iterable[str]
    retries: int
    backlog: int
    expires: Seconds
    soft_limit: Seconds
    hard_limit: Seconds
    retry: Policy
    attempts: int
    user: str | Literal[False]
    throttles: Throttles
    context: Mapping[str, str]
