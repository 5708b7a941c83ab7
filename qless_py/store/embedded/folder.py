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

# The kernel takes 107 bytes on Linux and 103 on macOS.
LONGEST_SOCKET_PATH: Final = 103
_OTHERS: Final = 0o077


class Folder:
    """The names inside one data folder. Two spellings of a path are one folder."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path).resolve()
        self.lock = self.path / "lock"
        self.users = self.path / "users"
        self.log = self.path / "server.log"
        self._socket = self.path / "socket"
        self._record = self.path / "socket-folder"

    def prepare(self) -> None:
        """Make the folder, for its owner only.

        A folder that others may enter is closed to them only when it is empty or was made here:
        a home or temporary folder named by mistake stays as it is, and is refused.
        """
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            found = self.path.stat()
            if found.st_uid != os.geteuid():
                raise StoreError(f"the data folder {self.path} belongs to another user")
            if stat.S_IMODE(found.st_mode) & _OTHERS:
                if any(self.path.iterdir()) and not self.users.is_fifo():
                    raise StoreError(
                        f"the data folder {self.path} holds other files and is open to other "
                        "users: name a folder of its own, or take their access away (chmod 700)"
                    )
                self.path.chmod(0o700)
            with contextlib.suppress(FileExistsError):
                os.mkfifo(self.users, 0o600)
        except OSError as error:
            raise StoreError(f"cannot use the data folder {self.path}: {error}") from error

    def socket(self) -> str | None:
        """Give the path of the server's socket; None when it must be chosen first."""
        if self._is_short():
            return str(self._socket)
        try:
            elsewhere = Path(os.fsdecode(self._record.read_bytes()))
            found = elsewhere.lstat()
        except (OSError, ValueError):
            return None
        # The temporary folder may have been cleaned, and made again by somebody else.
        private = stat.S_ISDIR(found.st_mode) and not stat.S_IMODE(found.st_mode) & _OTHERS
        return str(elsewhere / "s") if private and found.st_uid == os.geteuid() else None

    def choose_socket(self) -> str:
        """Give a free path for a new server's socket; only who holds the lock may ask."""
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
        """Remove the socket folder that a long path needed, after the server has ended."""
        chosen = None if self._is_short() else self.socket()
        if chosen is not None:
            shutil.rmtree(Path(chosen).parent, ignore_errors=True)
            self._record.unlink(missing_ok=True)

    def last_words(self) -> str:
        """Give the end of the server's log, for an error message."""
        try:
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-5:])
        except OSError:
            return ""

    def _is_short(self) -> bool:
        return len(os.fsencode(self._socket)) <= LONGEST_SOCKET_PATH

    def _temporary(self) -> Path:
        made = Path(tempfile.mkdtemp(prefix="qless_py-"))
        if len(os.fsencode(made / "s")) <= LONGEST_SOCKET_PATH:
            return made
        made.rmdir()
        # A long TMPDIR would be no better than the long data folder.
        return Path(tempfile.mkdtemp(prefix="qless_py-", dir="/tmp"))
