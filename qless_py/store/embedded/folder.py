"""The data folder of an embedded store: who may use it, and where its server listens."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import tempfile
from pathlib import Path
from typing import Final

from qless_py.errors import StoreError

# The kernel accepts 107 bytes on Linux and 103 on macOS.
MAX_SOCKET_PATH: Final = 103
_OTHERS: Final = 0o077


class Folder:
    """The files of one data folder. Two spellings of a path are one folder."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path).resolve()
        self.lock = self.path / "lock"
        self.users = self.path / "users"
        self.log = self.path / "server.log"
        self._socket = self.path / "socket"
        self._record = self.path / "socket-folder"

    def prepare(self) -> None:
        """Create the folder, accessible to its owner only.

        An existing folder that others may enter is closed to them only if it is empty or a data
        folder already: a home or temporary folder named by mistake is refused and not changed.
        """
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            found = self.path.stat()
            if found.st_uid != os.geteuid():
                raise StoreError(f"the data folder {self.path} belongs to another user")
            if stat.S_IMODE(found.st_mode) & _OTHERS:
                if any(self.path.iterdir()) and not self.users.is_fifo():
                    raise StoreError(
                        f"the data folder {self.path} contains other files and is open to other "
                        "users: name an empty folder, or remove their access (chmod 700)"
                    )
                self.path.chmod(0o700)
            with contextlib.suppress(FileExistsError):
                os.mkfifo(self.users, 0o600)
        except OSError as error:
            raise StoreError(f"cannot use the data folder {self.path}: {error}") from error

    def socket(self) -> str | None:
        """Return the path of the server's socket; None if it must be chosen first."""
        if self._is_short():
            return str(self._socket)
        try:
            elsewhere = Path(os.fsdecode(self._record.read_bytes()))
            found = elsewhere.lstat()
        except (OSError, ValueError):
            return None
        # The temporary folder may have been removed, and created again by another user.
        private = stat.S_ISDIR(found.st_mode) and not stat.S_IMODE(found.st_mode) & _OTHERS
        return str(elsewhere / "s") if private and found.st_uid == os.geteuid() else None

    def choose_socket(self) -> str:
        """Return a free path for the socket of a new server; the caller must hold the lock."""
        chosen = self.socket()
        if chosen is None:
            elsewhere = self._temporary()
            replacement = self._record.with_suffix(".new")
            replacement.write_bytes(os.fsencode(elsewhere))
            replacement.replace(self._record)
            chosen = str(elsewhere / "s")
        with contextlib.suppress(FileNotFoundError):
            Path(chosen).unlink()
        return chosen

    def forget_socket(self) -> None:
        """Remove the temporary folder of the socket, if a long path needed one."""
        chosen = None if self._is_short() else self.socket()
        if chosen is not None:
            shutil.rmtree(Path(chosen).parent, ignore_errors=True)
            self._record.unlink(missing_ok=True)

    def log_tail(self) -> str:
        """Return the end of the server's log, for an error message."""
        try:
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-5:])
        except OSError:
            return ""

    def _is_short(self) -> bool:
        return len(os.fsencode(self._socket)) <= MAX_SOCKET_PATH

    def _temporary(self) -> Path:
        made = Path(tempfile.mkdtemp(prefix="qless_py-"))
        if len(os.fsencode(made / "s")) <= MAX_SOCKET_PATH:
            return made
        made.rmdir()
        # The path of TMPDIR is too long as well.
        return Path(tempfile.mkdtemp(prefix="qless_py-", dir="/tmp"))
