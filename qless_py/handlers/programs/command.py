"""Any program as a handler: data on its standard input, the job's id as its last argument."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final

from qless_py.errors import BadArgumentError, QlessError
from qless_py.handlers.outcomes import Retry
from qless_py.handlers.programs.process import Limits, Process
from qless_py.handlers.resolve import Handler
from qless_py.protocol import arguments as options
from qless_py.protocol.arguments import Seconds

logger = logging.getLogger(__name__)

AGAIN: Final = 75  # EX_TEMPFAIL of sysexits.h
_RULE: Final = "exec"
_MOST_ERRORS: Final = 8192


class CommandFailedError(QlessError):
    """The program ended with an exit code other than 0, by a signal, or could not be started."""

    omit_traceback = True


class CommandTimeoutError(CommandFailedError):
    """The program ran for too long, and was ended."""


class CommandExpiredError(CommandFailedError):
    """The job is too old to be tried, or tried again."""


class Command:
    """A program that performs all jobs of a worker, whatever they name.

    It gets the data as JSON on its standard input, the jid as its last argument, and in its
    environment QLESS_JID, QLESS_QUEUE, QLESS_KLASS, QLESS_RETRIES, QLESS_RETRIES_LEFT,
    QLESS_PRIORITY, QLESS_TAGS (with commas), QLESS_WORKER, QLESS_EXPIRES_AT (the end of the lease
    when it was handed out) and QLESS_SPAWNED_FROM.

    Exit code 0 completes the job, with what the program wrote to its standard output as the
    result (text, the first `output` bytes). 75 runs it again for one of its retries, after
    `retry_wait` seconds. Any other code fails it, with the end of what it wrote to its standard
    error; with a `retry_wait` it is run again instead, as often as need be, until `expire` seconds
    have gone by since the job was put.

    After `kill_timeout` seconds its process group gets TERM, and KILL after `kill_interval` more.
    A string for `argv` with `shell=True` is run by the shell, with the jid as $1.
    """

    def __init__(  # noqa: PLR0913 - all that may be said of it
        self,
        argv: Sequence[str] | str,
        *,
        shell: bool = False,
        retry_wait: Seconds | None = None,
        expire: Seconds | None = None,
        kill_timeout: Seconds | None = None,
        kill_interval: Seconds = 5.0,
        output: int = 65536,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        if isinstance(argv, str) != shell or not argv:
            raise BadArgumentError("the program is a list of words, or with shell=True a string")
        self._argv: tuple[str, ...] = (argv,) if isinstance(argv, str) else tuple(argv)
        self._is_shell = shell
        self._retry_wait = _seconds("retry_wait", retry_wait)
        self._expire = _seconds("expire", expire)
        self._limits = Limits(
            _seconds("kill_timeout", kill_timeout),
            options.span("kill_interval", kill_interval, 0.001) / 1000,
            options.whole("output", output, 0, 2**30),
            _MOST_ERRORS,
        )
        self._environment = dict(environment or {})

    def find(self, _job: Any) -> Handler:
        """Give what performs a job: this program, for any."""
        return Handler(self, self.run, is_async=False)

    def run(self, job: Any) -> str | None:
        """Run the program for a job and give what it said; raises when it did not succeed."""
        self._check_age(job)
        try:
            return self._done(job)
        except CommandFailedError as error:
            if self._retry_wait is None or self._is_too_late(job, self._retry_wait):
                raise
            retry = Retry(self._retry_wait)
            retry.tries, retry.apart = job.tries.one_more(_RULE), True
            raise retry from error

    def _done(self, job: Any) -> str | None:
        words, given, variables = self._words(job), _json(job), self._variables(job)
        try:
            process = Process(words, given, variables, self._limits)
        except OSError as error:
            raise CommandFailedError(f"{words[0]} cannot be run: {error}") from None
        with process:
            code = process.wait()
        errors = process.errors.data.decode(errors="replace").strip()
        if errors:
            logger.info("%s wrote to its standard error: %s", self._argv[0], errors)
        if process.timed_out:
            raise CommandTimeoutError(_told(f"ended after {self._limits.seconds} s", errors))
        if code == AGAIN:
            raise Retry(self._retry_wait or 0) from CommandFailedError(
                _told(f"exit code {AGAIN}: to be run again", errors)
            )
        if code != 0:
            raise CommandFailedError(_told(_ending(code), errors))
        return process.output.data.decode(errors="replace") or None

    def _words(self, job: Any) -> list[str]:
        if self._is_shell:
            return ["/bin/sh", "-c", self._argv[0], "sh", job.jid]
        return [*self._argv, job.jid]

    def _variables(self, job: Any) -> dict[str, str]:
        known = {
            "JID": job.jid,
            "QUEUE": job.queue_name,
            "KLASS": job.klass_name,
            "RETRIES": job.original_retries,
            "RETRIES_LEFT": job.retries_left,
            "PRIORITY": job.priority,
            "TAGS": ",".join(job.tags),
            "WORKER": job.worker_name,
            "EXPIRES_AT": job.expires_at,
            "SPAWNED_FROM": job.spawned_from or "",
        }
        return {**self._environment, **{f"QLESS_{name}": str(known[name]) for name in known}}

    def _age(self, job: Any) -> float:
        """Give how old the job was when it was handed out, by the clock of the server."""
        return max(0.0, (job.popped_at or 0) - (job.put_at or 0))

    def _check_age(self, job: Any) -> None:
        if self._expire is not None and self._age(job) > self._expire:
            raise CommandExpiredError(f"the job is older than {self._expire:g} s")

    def _is_too_late(self, job: Any, wait: float) -> bool:
        return self._expire is not None and self._age(job) + wait > self._expire


def _ending(code: int | None) -> str:
    if code is None:
        return "its end was seen by another process, so whether it succeeded is unknown"
    return f"exit code {code}" if code > 0 else f"ended by signal {-code}"


def _json(job: Any) -> bytes:
    if job.codec_name == "json":
        raw: bytes = job.raw
        return raw
    try:
        return json.dumps(job.data).encode()
    except (TypeError, ValueError) as error:
        raise CommandFailedError(f"the data is nothing that JSON can write: {error}") from None


def _told(how: str, errors: str) -> str:
    return f"{how}\n{errors}" if errors else how


def _seconds(what: str, value: Seconds | None) -> float | None:
    return None if value is None else options.span(what, value) / 1000
