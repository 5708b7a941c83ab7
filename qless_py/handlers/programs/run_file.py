"""Run a class from a file for each job."""

from __future__ import annotations

import ast
import importlib.util
import logging
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from qless_py.errors import HandlerNotFoundError
from qless_py.handlers.resolve import Handler
from qless_py.protocol import arguments
from qless_py.protocol.options import Seconds

logger = logging.getLogger(__name__)


class FileClass:
    """A class in a file that performs all jobs of a worker, whatever their klass.

    Each job gets an instance, made with the job as its argument, whose `run` performs it. After
    `kill_timeout` seconds, and then every `kill_interval` seconds, the instance's `kill` is called
    in another thread, if it has one. It is also called when `run` is interrupted because the job
    was lost or the worker stops. The file finds `words` in `sys.argv`, behind its own name.
    """

    def __init__(
        self,
        file: str | Path,
        name: str = "Run",
        *,
        words: Sequence[str] = (),
        kill_timeout: Seconds | None = None,
        kill_interval: Seconds = 60.0,
    ) -> None:
        self._timeout = (
            None if kill_timeout is None else arguments.span("kill_timeout", kill_timeout) / 1000
        )
        self._interval = arguments.span("kill_interval", kill_interval, 0.001) / 1000
        self._file, self._name = Path(file), name
        self._words = tuple(words)
        self._loaded: Any = None
        _check(self._file, name)

    @classmethod
    def named(cls, text: str, **limits: Any) -> FileClass:
        """Return the class that `FILE` or `FILE:Class` names."""
        file, _, name = text.rpartition(":")
        return cls(file, name, **limits) if file else cls(text, **limits)

    def check(self, _queues: object = ()) -> None:
        """Execute the file; raise if that fails or if it has no such class."""
        _load(self._file, self._name, self._words)

    def find(self, _job: Any) -> Handler:
        """Return the handler of any job: this class."""
        return Handler(self.loaded, self.run, is_async=False)

    @property
    def loaded(self) -> Any:
        """The class; the file is executed for the first job, in the process that runs it."""
        if self._loaded is None:
            self._loaded = _load(self._file, self._name, self._words)
        return self._loaded

    def run(self, job: Any) -> Any:
        """Run an instance for a job."""
        instance = self.loaded(job)
        done = threading.Event()
        if self._timeout is not None:
            watch = threading.Thread(target=self._watch, args=(instance, done), daemon=True)
            watch.start()
        try:
            return instance.run()
        except Exception:
            raise
        except BaseException:
            _kill(instance)
            raise
        finally:
            done.set()

    def _watch(self, instance: Any, done: threading.Event) -> None:
        wait = self._timeout
        while not done.wait(wait):
            _kill(instance)
            wait = self._interval


def _kill(instance: Any) -> None:
    kill = getattr(instance, "kill", None)
    if callable(kill):
        try:
            kill()
        except Exception:
            logger.exception("kill() of %r raised", instance)


def _check(file: Path, name: str) -> None:
    """Raise if the file does not define the class, without executing it."""
    try:
        tree = ast.parse(file.read_bytes(), str(file))
    except OSError as error:
        raise HandlerNotFoundError(f"cannot read {file}: {error}") from error
    except (SyntaxError, ValueError) as error:
        raise HandlerNotFoundError(f"{file} is not Python: {error}") from error
    if name not in set(_names(tree)):
        raise HandlerNotFoundError(f"{file} has no class {name} with a method run")


def _names(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.ClassDef(name=name) | ast.Name(id=name, ctx=ast.Store()):
                yield name
            case ast.alias(name=name, asname=other):
                yield other or name


def _load(file: Path, name: str, words: Sequence[str]) -> Any:
    spec = importlib.util.spec_from_file_location(f"qless_py_run_{file.stem}", file)
    if spec is None or spec.loader is None:
        raise HandlerNotFoundError(f"{file} does not end in .py")
    module = importlib.util.module_from_spec(spec)
    sys.argv[:] = [str(file), *words]
    spec.loader.exec_module(module)
    found = getattr(module, name, None)
    if not callable(getattr(found, "run", None)):
        raise HandlerNotFoundError(f"{file} has no class {name} with a method run")
    return found
