"""Run an external program for each job."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final

from qless_py.errors import BadArgumentError, QlessError
from qless_py.handlers.outcomes import Retry
from qless_py.handlers.programs.process import Limits, Process
from qless_py.handlers.resolve import Handler
from qless_py.protocol import arguments
from qless_py.protocol.options import Seconds

logger = logging.getLogger(__name__)

AGAIN: Final = 75  # EX_TEMPFAIL of sysexits.h
_RULE: Final = "exec"  # The name under which retries of a program are counted.
_MAX_ERRORS: Final = 8192


class CommandFailedError(QlessError):
    """The program exited with a code other than 0, was ended by a signal, or did not start."""

    omit_traceback = True  # It would show frames of the worker only.


class CommandTimeoutError(CommandFailedError):
    """The program exceeded `kill_timeout` and was ended."""


class CommandExpiredError(CommandFailedError):
    """The job is older than `expire`."""


class Command:
    """A program that performs all jobs of a worker, whatever their klass.

    The program gets the data as JSON on its standard input, the jid as its last argument, and the
    environment variables QLESS_JID, QLESS_QUEUE, QLESS_KLASS, QLESS_RETRIES, QLESS_RETRIES_LEFT,
    QLESS_PRIORITY, QLESS_TAGS (separated by commas), QLESS_WORKER, QLESS_EXPIRES_AT (the end of
    the lease when the job was popped) and QLESS_SPAWNED_FROM.

    Exit code 0 completes the job; the result is the program's standard output (as text, the first
    `output` bytes). Exit code 75 retries the job after `retry_wait` seconds and spends one of its
    retries. Any other end fails the job with the last part of the standard error. With a
    `retry_wait` the job runs again instead, any number of times, until `expire` seconds have passed
    since it was put.

    After `kill_timeout` seconds the process group gets TERM, and KILL after `kill_interval` more.
    With `shell=True`, `argv` is a string that the shell runs, with the jid as $1.
    """

    def __init__(  # noqa: PLR0913 - keyword options
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
            raise BadArgumentError(
                f"argv {argv!r} is not a non-empty list of words, or a string with shell=True"
            )
        self._argv: tuple[str, ...] = (argv,) if isinstance(argv, str) else tuple(argv)
        self._is_shell = shell
        self._retry_wait = _seconds("retry_wait", retry_wait)
        self._expire = _seconds("expire", expire)
        self._limits = Limits(
            _seconds("kill_timeout", kill_timeout),
            arguments.span("kill_interval", kill_interval, 0.001) / 1000,
            arguments.whole("output", output, 0, 2**30),
            _MAX_ERRORS,
        )
        self._environment = dict(environment or {})

    def find(self, _job: Any) -> Handler:
        """Return the handler of any job: this program."""
        return Handler(self, self.run, is_async=False)

    def run(self, job: Any) -> str | None:
        """Run the program and return its output; raise `CommandFailedError` if it fails."""
        self._check_age(job)
        try:
            return self._run(job)
        except CommandFailedError as error:
            if self._retry_wait is None or self._is_too_late(job, self._retry_wait):
                raise
            retry = Retry(self._retry_wait)
            retry.tries, retry.has_own_budget = job.tries.with_one_more(_RULE), True
            raise retry from error

    def _run(self, job: Any) -> str | None:
        words, given, variables = self._words(job), _json(job), self._variables(job)
        try:
            process = Process(words, given, variables, self._limits)
        except OSError as error:
            raise CommandFailedError(f"cannot run {words[0]}: {error}") from None
        with process:
            code = process.wait()
        errors = process.errors.data.decode(errors="replace").strip()
        if errors:
            logger.info("standard error of %s jid=%s: %s", self._argv[0], job.jid, errors)
        if process.timed_out:
            raise CommandTimeoutError(_report(f"killed after {self._limits.seconds} s", errors))
        if code == AGAIN:
            raise Retry(self._retry_wait or 0) from CommandFailedError(
                _report(f"exit code {AGAIN}: retry", errors)
            )
        if code != 0:
            raise CommandFailedError(_report(_ending(code), errors))
        return process.output.data.decode(errors="replace") or None

    def _words(self, job: Any) -> list[str]:
        if self._is_shell:
            return ["/bin/sh", "-c", self._argv[0], "sh", job.jid]
        return [*self._argv, job.jid]

    def _variables(self, job: Any) -> dict[str, str]:
        values = {
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
        return {
            **self._environment,
            **{f"QLESS_{name}": str(value) for name, value in values.items()},
        }

    def _age(self, job: Any) -> float:
        """Return the age of the job when it was popped, by the clock of the server."""
        return max(0.0, (job.popped_at or 0) - (job.put_at or 0))

    def _check_age(self, job: Any) -> None:
        if self._expire is not None and self._age(job) > self._expire:
            raise CommandExpiredError(f"the job is older than {self._expire:g} s (expire)")

    def _is_too_late(self, job: Any, wait: float) -> bool:
        return self._expire is not None and self._age(job) + wait > self._expire


def _ending(code: int | None) -> str:
    if code is None:
        return "exit code unknown: another part of this process has reaped the program"
    return f"exit code {code}" if code > 0 else f"ended by signal {-code}"


def _json(job: Any) -> bytes:
    if job.codec_name == "json":
        raw: bytes = job.raw
        return raw
    try:
        return json.dumps(job.data).encode()
    except (TypeError, ValueError) as error:
        raise CommandFailedError(f"the data cannot be written as JSON: {error}") from None


def _report(how: str, errors: str) -> str:
    return f"{how}\n{errors}" if errors else how


def _seconds(what: str, value: Seconds | None) -> float | None:
    return None if value is None else arguments.span(what, value) / 1000
