"""The App: what client, worker, command line, dashboard and tests of one application share."""

from __future__ import annotations

import functools
import importlib
import logging.config
import re
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypedDict, TypeVar, Unpack, overload

from qless_py import store, task
from qless_py import tracing as tracing_package
from qless_py.aio.client import AsyncClient
from qless_py.app import registry
from qless_py.app.loop_clients import LoopClients
from qless_py.client.client import Client
from qless_py.client.connection import PATIENCE, resend_policy
from qless_py.default_client import SelfReplacing, current_replacement
from qless_py.errors import BadArgumentError, ConfigError, QlessError
from qless_py.handlers.executor import HandlerOptions, Middleware
from qless_py.handlers.hooks import Hook, Hooks, check_hook
from qless_py.handlers.retry import RetryPolicy
from qless_py.protocol import arguments
from qless_py.protocol.codec import Codec
from qless_py.protocol.options import Policy, PutOptions, Seconds
from qless_py.protocol.settings import make_settings
from qless_py.store import settings_file
from qless_py.tracing import Setup, Tracing

if TYPE_CHECKING:
    from qless_py.worker.options import WorkerOptions
    from qless_py.worker.preflight import Check

P = ParamSpec("P")
R = TypeVar("R")
H = TypeVar("H", bound=Hook)

LoggingSetup = Mapping[str, Any] | Callable[[], object]


class _ClientOptions(TypedDict):
    codec: str | Codec
    codecs: Sequence[Codec]


class App:
    """What client, worker, command line, dashboard and tests of an application share.

    `url` and `namespace` are found as `Client` finds them if they are not given. `codec` writes
    the data of new jobs, and `codecs` are further ones that can be read. `patience` is that of
    `Client`.

    `middleware` is entered around each handler in a worker, before that of its job. `imports` are
    modules whose handlers a worker may run. `attempts`, `retry`, `retries`, `soft_limit` and
    `hard_limit` are the defaults of the jobs that the decorator `job` of this object declares; the
    policy and the limits also apply to other handlers of its workers.

    `redact` are regular expressions of keys whose values the dashboard hides, besides those that
    it hides anyway. `logging` sets up the logging of a worker instead of its own options: a map for
    `logging.config.dictConfig`, or a function.

    `tracing` makes spans of puts and runs: True, a function that sets up the exporters of a
    process, or `qless_py.tracing.Tracing`. It needs the extra `otel`.
    """

    def __init__(  # noqa: PLR0913 - everything that an application shares
        self,
        url: str | None = None,
        *,
        namespace: str | None = None,
        codec: str | Codec = "json",
        codecs: Iterable[Codec] = (),
        middleware: Sequence[str | Middleware] = (),
        imports: Sequence[str] = (),
        attempts: int | None = None,
        retry: Policy | None = None,
        retries: int | None = None,
        soft_limit: Seconds | None = None,
        hard_limit: Seconds | None = None,
        redact: Sequence[str] = (),
        logging: LoggingSetup | None = None,
        patience: Seconds = PATIENCE,
        tracing: bool | Setup | Tracing = False,
    ) -> None:
        lists = {"middleware": middleware, "imports": imports, "redact": redact, "codecs": codecs}
        for name, value in lists.items():
            if isinstance(value, str | bytes) or not isinstance(value, Iterable):
                raise BadArgumentError(f"{name} must be a list, not {value!r}")
        self._url = url
        self._namespace = namespace
        self._codecs = _ClientOptions(codec=codec, codecs=tuple(codecs))
        self._patience = patience
        self._check_client_options()
        self.middleware: Final = tuple(_checked_middleware(one) for one in middleware)
        self._imports: Final = tuple(arguments.line("module", one) for one in imports)
        self.redact: Final = tuple(_checked_pattern(one) for one in redact)
        self.logging: Final = _checked_logging(logging)
        self.hooks: Final = Hooks()
        self.tasks: Final[dict[str, task.Task[..., Any]]] = {}
        defaults = {
            "attempts": attempts,
            "retry": retry,
            "retries": retries,
            "soft_limit": soft_limit,
            "hard_limit": hard_limit,
        }
        self._defaults: Final = {name: one for name, one in defaults.items() if one is not None}
        arguments.put_options(self._defaults)
        self._made_clients: Final[dict[str, Client]] = {}
        self._test_client: Client | None = None
        self._loop_clients = LoopClients()
        traced = Tracing.of(tracing)
        if traced is not None:
            tracing_package.turn_on(traced)
            self.hooks.child_start.append(tracing_package.start_process)

    @property
    def url(self) -> str | None:
        """The URL of the store; None if it is found as `Client()` finds it."""
        return self._url

    @property
    def namespace(self) -> str:
        """The namespace."""
        return settings_file.namespace(self._namespace)

    @property
    def given_namespace(self) -> str | None:
        """The namespace that was passed; None if it is found as `Client()` finds it."""
        return self._namespace

    @property
    def imports(self) -> tuple[str, ...]:
        """The modules whose handlers a worker may run, besides those that declare jobs."""
        return self._imports

    @property
    def client(self) -> Client:
        """The client of this process, made on first use. Threads and forks may share it.

        In a test that uses the fixture `qless_client`, this is a client of the test's store.
        """
        replacement = current_replacement()
        if replacement is not None:
            return self._replaced_client(replacement.client())
        found = self._made_clients.get("client")
        if found is None:
            made = self.new_client()
            # Without a lock, which a fork could leave locked: the first of several threads wins.
            found = self._made_clients.setdefault("client", made)
            if found is not made:
                made.close()
        return found

    @property
    def aio(self) -> AsyncClient:
        """The asyncio client of the running event loop, made on first use and closed with the loop.

        Raises RuntimeError where no event loop runs: use `client` there.
        """
        replacement = current_replacement()
        if replacement is None:
            return self._loop_clients.get((self._url, self._namespace), self._new_aio_client)
        client = self.client

        def make() -> AsyncClient:
            return AsyncClient(
                replacement.url(),
                namespace=client.namespace,
                clock=client.runner.clock,
                **self._codecs,
            )

        return self._loop_clients.get(client, make)

    def use_store(self, url: str | None = None, namespace: str | None = None) -> None:
        """Use another store or namespace from now on; what is not given stays as it is."""
        before = self._url, self._namespace
        self._url = self._url if url is None else url
        self._namespace = self._namespace if namespace is None else namespace
        try:
            self._check_client_options()
        except QlessError:
            self._url, self._namespace = before
            raise
        made = self._made_clients.pop("client", None)
        if made is not None:
            made.close()

    def new_client(self, url: str | None = None, **more: Any) -> Client:
        """Return a new client with the codecs of this App, of its store unless `url` names another.

        `more` are arguments of `Client`. The caller closes it.
        """
        options: dict[str, Any] = {
            "namespace": self._namespace,
            "patience": self._patience,
            **self._codecs,
            **more,
        }
        if "redis" not in more:
            options["url"] = self._url if url is None else url
        made = Client(**options)
        registry.register(made, self)
        return made

    @overload
    def job(self, function: Callable[P, Coroutine[Any, Any, R]], /) -> task.AsyncTask[P, R]: ...
    @overload
    def job(self, function: Callable[P, R], /) -> task.Task[P, R]: ...
    @overload
    def job(
        self,
        /,
        *,
        queue: str = "default",
        middleware: Sequence[Any] = (),
        **put: Unpack[PutOptions],
    ) -> task.TaskDecorator: ...

    def job(
        self,
        function: Callable[..., Any] | None = None,
        /,
        *,
        queue: str = "default",
        middleware: Sequence[Any] = (),
        **put: Unpack[PutOptions],
    ) -> Any:
        """Decorate a function as `qless_py.job` does; its jobs go to the store of this App.

        Options that are not given are those of the App.
        """
        if "client" in put:
            raise BadArgumentError("the jobs of an App go to its store: leave out client")
        options: dict[str, Any] = arguments.merged(self._defaults, put)
        make = task.job(
            queue=queue,
            client=SelfReplacing(lambda: self.client),
            middleware=middleware,
            **options,
        )

        def decorate(function: Callable[..., Any]) -> task.Task[..., Any]:
            made: task.Task[..., Any] = make(function)
            self.tasks[made.name] = made
            return made

        return decorate if function is None else decorate(function)

    def on_worker_start(self, hook: H) -> H:
        """Call this function in the supervisor before it forks its first child.

        If it raises, the worker does not start. Open no connections in it: children inherit them.
        """
        return _added(hook, self.hooks.worker_start)

    def on_worker_stop(self, hook: H) -> H:
        """Call this function in the supervisor when all children have exited."""
        return _added(hook, self.hooks.worker_stop)

    def on_child_start(self, hook: H) -> H:
        """Call this function in each process that runs jobs, before its first job.

        If it raises, that process runs no job, and another one is started after a while.
        """
        return _added(hook, self.hooks.child_start)

    def on_child_stop(self, hook: H) -> H:
        """Call this function in each process that ran jobs, after its last job.

        A process that is killed calls nothing.
        """
        return _added(hook, self.hooks.child_stop)

    @property
    def queues(self) -> tuple[str, ...]:
        """The queues of the jobs that were declared so far, in the order of their declaration."""
        return tuple(dict.fromkeys(one.queue for one in self.tasks.values()))

    def import_modules(self) -> None:
        """Import the modules of handlers, so that all jobs of this App are declared."""
        for name in self.imports:
            importlib.import_module(name)

    def set_up_logging(self) -> None:
        """Set up logging as `logging` says; nothing happens without it."""
        if callable(self.logging):
            self.logging()
        elif self.logging is not None:
            # dictConfig switches off all loggers that exist, unless it is told not to.
            try:
                logging.config.dictConfig({"disable_existing_loggers": False, **self.logging})
            except (ValueError, TypeError, AttributeError, ImportError) as error:
                raise ConfigError(f"logging of {self}: {error}") from error

    def handler_options(self, *, allow_any: bool = False) -> HandlerOptions:
        """Return what is configured around the handlers of this App."""
        return HandlerOptions(
            imports=self._allowed_modules(),
            allow_any=allow_any,
            middleware=self.middleware,
            soft_limit=self._seconds("soft_limit"),
            hard_limit=self._seconds("hard_limit"),
            retry=self._retry(),
        )

    def worker_options(self, queues: Sequence[str] = (), **more: Any) -> WorkerOptions:
        """Return the options of a worker of this App, for `qless_py.worker.Worker`.

        `more` are further fields of `WorkerOptions`. Without `queues` it serves those of the jobs
        of this App, whose modules are then imported.
        """
        if not queues:
            self.import_modules()
        limits = {name: self._seconds(name) for name in ("soft_limit", "hard_limit")}
        given: dict[str, Any] = {
            "url": self._url,
            "namespace": self.namespace,
            "retry": self._retry(),
            "hooks": self.hooks,
            **self._codecs,
            **{name: limit for name, limit in limits.items() if limit is not None},
            **more,
            "queues": queues or self.queues,
            "checks": [*self._checks(), *more.get("checks", ())],
            "middleware": (*self.middleware, *more.get("middleware", ())),
            "imports": _merged(self._allowed_modules(), more.get("imports", ())),
        }
        # Imported here because `import qless_py` needs no worker.
        from qless_py.worker.options import WorkerOptions  # noqa: PLC0415

        return WorkerOptions(**given)

    def __repr__(self) -> str:
        where = "default store" if self._url is None else store.redacted(self._url)
        return f"<App {self.namespace} {where}>"

    def _new_aio_client(self) -> AsyncClient:
        return AsyncClient(
            self._url, namespace=self._namespace, patience=self._patience, **self._codecs
        )

    def _replaced_client(self, client: Client) -> Client:
        """Return a client of a test's store that knows the codecs of this App."""
        if registry.app_of(client) is self:
            return client
        made = self._test_client
        if made is None or made.redis is not client.redis or made.namespace != client.namespace:
            made = self._test_client = self.new_client(
                redis=client.redis, namespace=client.namespace, clock=client.runner.clock
            )
            made.runner = client.runner  # So that `run_inline` sees its calls.
        return made

    def _check_client_options(self) -> None:
        """Report wrong arguments here and not where the first job is put."""
        if self._url is not None:
            arguments.line("url", self._url)
            store.parse(self._url)
        codec, codecs = self._codecs["codec"], self._codecs["codecs"]
        make_settings(
            "ql" if self._namespace is None else self._namespace, codec, codecs, float, None
        )
        resend_policy(self._patience)

    def _checks(self) -> Iterator[Check]:
        from qless_py.worker.preflight import Check  # noqa: PLC0415 - only a worker needs it

        codec = self._codecs["codec"]
        for one in (*self._codecs["codecs"], *(() if isinstance(codec, str) else (codec,))):
            yield Check(f"codec {one.name}", functools.partial(_check_codec, one))
        yield Check(f"jobs of {self}", self._check_tasks)

    def _check_tasks(self) -> None:
        for one in self.tasks.values():
            one.check()

    def _allowed_modules(self) -> tuple[str, ...]:
        return _merged(self.imports, (one.name.rpartition(".")[0] for one in self.tasks.values()))

    def _seconds(self, name: str) -> float | None:
        limit = self._defaults.get(name)
        return None if limit is None else arguments.span(name, limit, 0.001) / 1000

    def _retry(self) -> RetryPolicy | None:
        if "attempts" in self._defaults:
            return RetryPolicy.of(arguments.attempts_policy(self._defaults["attempts"]))
        policy = self._defaults.get("retry")
        return None if policy is None else RetryPolicy.of(policy)


def _merged(first: Iterable[str], more: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*first, *more)))


def _added(hook: H, hooks: list[Hook]) -> H:
    check_hook(hook)
    hooks.append(hook)
    return hook


def _check_codec(codec: Codec) -> None:
    """Write and read a value; a codec that cannot would fail each of its jobs."""
    value = {"to": "ann", "numbers": [1, 2.5, None, True]}
    read = codec.decode(codec.encode(value, "jid"), "jid")
    if read != value:
        raise ConfigError(f"codec {codec.name} reads {read!r} where it wrote {value!r}")


def _checked_middleware(one: Any) -> Any:
    if not callable(one) and not (isinstance(one, str) and one):
        raise BadArgumentError(
            f"middleware {one!r} is neither callable nor a dotted name; it is called with the job"
        )
    return one


def _checked_pattern(pattern: Any) -> str:
    try:
        re.compile(pattern)
    except (re.error, TypeError) as error:
        raise ConfigError(f"redact: {pattern!r} is not a regular expression: {error}") from error
    return str(pattern)


def _checked_logging(setup: LoggingSetup | None) -> LoggingSetup | None:
    if setup is not None and not callable(setup) and not isinstance(setup, Mapping):
        raise BadArgumentError(
            f"logging is a {type(setup).__name__}, not a map for dictConfig or a function"
        )
    return setup
