"""Run commands of `qless-py` in copies of a process that has imported the command line.

A command in a new process spends nine tenths of its time on imports. A copy has nothing else from
this process: no thread, no connection, no open file. It gets the words, the environment, the folder
and the standard streams of a `program.py`, and exits by itself as any program.
"""

import importlib
import json
import os
import signal
import socket
import sys
import time
from pathlib import Path

from qless_py.cli import main

# What nearly every command imports; the module of a command is left to its copy.
SHARED = (
    "qless_py.cli.context", "qless_py.cli.params", "qless_py.client.client", "qless_py.client.jobs",
    "rich.console", "rich.table",
)  # fmt: skip


def serve(path: str) -> None:
    """Answer requests until killed; return only in a copy, which is to be the program."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(100)
        while True:
            connection, _ = listener.accept()
            with connection:
                if os.fork():
                    continue
                listener.close()
                if keep(connection):
                    return


def keep(connection: socket.socket) -> bool:
    """Start a copy, report how it ends, and exit; return True in the copy."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _, streams, _, _ = socket.recv_fds(connection, 1, 3)
    with connection.makefile() as asked:
        request = json.load(asked)
    copy = os.fork()
    if not copy:
        become(streams, **request)
        return True
    for number in streams:
        os.close(number)
    connection.sendall(f"{copy}\n".encode())
    _, status = os.waitpid(copy, 0)
    connection.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
    os._exit(0)


def become(streams: list[int], words: list[str], folder: str, environment: dict[str, str]) -> None:
    """Take what a new process is given at its start."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    # A stream remembers whether the file that it was made for can seek.
    sys.stdin = open(0, closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, errors="backslashreplace", closefd=False)  # noqa: SIM115
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    sys.argv = words
    sys.path[0] = str(Path(words[0]).parent)


if __name__ == "__main__":
    for name in SHARED:
        importlib.import_module(name)
    # Nobody waits for the processes that start the copies.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    serve(sys.argv[1])
    main()
